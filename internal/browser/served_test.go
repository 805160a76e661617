package browser_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/browser"
)

// TestServed checks the headers and bodies that let browsers cache the module indefinitely and
// check its integrity.
func TestServed(t *testing.T) {
	t.Parallel()
	s := newSite(t, time.Minute)
	for _, m := range []browser.Module{browser.Client(), browser.Auto()} {
		plain, versioned := s.URL+"/api/auth/"+m.Name, s.URL+"/api/auth/"+m.Name+"?v="+m.Version
		unversioned := m // the file under the URL without a version
		if m.Name == "client.js" {
			unversioned = browser.Entry()
		}
		for _, c := range []struct {
			url, ifNoneMatch string
			want             browser.Module
			status           int
			cacheControl     string
		}{
			{versioned, "", m, 200, "public, max-age=31536000, immutable"},
			{plain, "", unversioned, 200, "no-cache"},
			{plain + "?v=another", "", m, 200, "no-cache"},
			{plain, unversioned.ETag, unversioned, 304, "no-cache"},
			{versioned, m.ETag, m, 304, "public, max-age=31536000, immutable"},
			{plain, `"another"`, unversioned, 200, "no-cache"},
		} {
			m := c.want
			response, body := get(t, c.url, c.ifNoneMatch)
			if response.StatusCode != c.status {
				t.Errorf("%s: status %d, want %d", c.url, response.StatusCode, c.status)
			}
			if got := response.Header.Get("Cache-Control"); got != c.cacheControl {
				t.Errorf("%s: Cache-Control %q, want %q", c.url, got, c.cacheControl)
			}
			if got := response.Header.Get("ETag"); got != m.ETag {
				t.Errorf("%s: ETag %s, want %s", c.url, got, m.ETag)
			}
			if c.status != 200 {
				continue
			}
			if got := response.Header.Get("Content-Type"); got != browser.ContentType {
				t.Errorf("%s: Content-Type %q, want %q", c.url, got, browser.ContentType)
			}
			if !bytes.Equal(body, m.Body) {
				t.Errorf("%s: the body (%d bytes) is not the module", c.url, len(body))
			}
		}
	}
}

func get(t *testing.T, url, ifNoneMatch string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ifNoneMatch != "" {
		request.Header.Set("If-None-Match", ifNoneMatch)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}
