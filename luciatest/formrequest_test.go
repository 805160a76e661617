package luciatest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/session"
)

func TestFormRequest(t *testing.T) {
	t.Parallel()
	hardened := func(c *lucia.Config[profile]) { c.Hardened = true }
	for mode, change := range map[string][]func(*lucia.Config[profile]){"default": nil, "hardened": {hardened}} {
		kit := luciatest.New(t, users, change...)
		app := newApp(kit.Auth)
		given := url.Values{"bio": {"new & old"}}
		for name, c := range map[string]struct {
			request *http.Request
			change  func(*http.Request)
			want    string
		}{
			"a form":              {request: kit.FormRequest("u2", "/profile", given), want: "bob [new & old] [] [] [] [] []"},
			"a full URL":          {request: kit.FormRequest("u1", "https://app.example/profile", given), want: "ada [new & old] [] [] [] [] []"},
			"no fields":           {request: kit.FormRequest("u1", "/profile", nil), want: "ada [] [] [] [] [] []"},
			"forged":              {request: kit.FormRequest("u1", "/profile", url.Values{"_lucia": {"forged"}}), want: `{"message":"AUTH_INVALID_ACCESS_TOKEN"}`},
			"from another origin": {kit.FormRequest("u1", "/profile", given), fromAnotherOrigin, `{"message":"AUTH_INVALID_REQUEST"}`},
		} {
			if c.change != nil {
				c.change(c.request)
			}
			w := httptest.NewRecorder()
			app.ServeHTTP(w, c.request)
			if got := strings.TrimSpace(w.Body.String()); got != c.want {
				t.Errorf("%s, %s: %d %s, want %s", mode, name, w.Code, got, c.want)
			}
		}
		inField := kit.FormRequest("u1", "/profile", nil).PostFormValue("_lucia")
		if _, err := session.ParseID(inField); inField == "" || (err == nil) != (mode == "hardened") {
			t.Errorf("%s: the hidden field is %q", mode, inField)
		}
		if given.Has("_lucia") {
			t.Error("the caller's fields were changed")
		}
	}
}

func fromAnotherOrigin(r *http.Request) {
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
}

// FormRequest returns the request that a browser sends for a form of the same page.
func TestFormRequestMatchesABrowsers(t *testing.T) {
	t.Parallel()
	kit := luciatest.New(t, users)
	var got []http.Header
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			io.WriteString(w, "<!doctype html><form method=post><input name=bio></form>")
			return
		}
		h := r.Header.Clone()
		for _, name := range []string{"Cookie", "User-Agent", "Content-Length"} { // Cookie differs; the network adds the others
			h.Del(name)
		}
		got = append(got, h)
	})
	luciatest.NewBrowser(t, app).Open("/profile?tab=1").Submit(url.Values{"bio": {"new"}})
	app.ServeHTTP(httptest.NewRecorder(), kit.FormRequest("u1", "https://app.example/profile?tab=1", url.Values{"bio": {"new"}}))
	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Errorf("the header (-browser +FormRequest):\n%s", diff)
	}
}
