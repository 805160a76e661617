package client_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/luciatest"
)

func TestTokensGoToTheOriginOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.signedIn(t)
	for url, want := range map[string]bool{
		baseURL + "/x":                      true,
		"https://APP.EXAMPLE:443/x":         true,
		"http://app.example/x":              false,
		"https://app.example:8443/x":        false,
		"https://app.example.evil.test/x":   false,
		"https://sub.app.example/x":         false,
		"https://app.example@evil.test/x":   false,
		"https://evil.test/?app.example":    false,
		"https://evil.test/https/app.examp": false,
	} {
		var seen *http.Request
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			seen = req
			return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{}, Request: req}, nil
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&client.Transport[profile]{Client: c, Base: base}).RoundTrip(req); err != nil {
			t.Fatal(err)
		}
		signed := seen.Header.Get("Authorization") != "" || len(seen.Cookies()) > 0
		if signed != want {
			t.Errorf("%s: signed %t, want %t", url, signed, want)
		}
		if strings.Contains(seen.Header.Get("Cookie"), "encrypt_refresh_token") {
			t.Errorf("%s: the request carries the refresh cookie", url)
		}
	}
}

func TestRedirectToAnotherOriginCarriesNoTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.signedIn(t)
	mux := http.NewServeMux()
	mux.Handle("app.example/away", http.RedirectHandler("https://elsewhere.example/", http.StatusFound))
	mux.HandleFunc("elsewhere.example/", func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || len(r.Cookies()) > 0 {
			t.Error("tokens followed the redirect")
		}
	})
	web := c.HTTPClient()
	web.Transport.(*client.Transport[profile]).Base = luciatest.Transport(mux)
	resp, err := web.Get(baseURL + "/away")
	if err != nil || resp.Request.URL.Host != "elsewhere.example" {
		t.Fatalf("%v, %v", resp, err)
	}
}

func TestCallersAuthorizationIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.signedIn(t)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, baseURL+"/api/me", nil)
	req.Header.Set("Authorization", "Bearer mine")
	before := w.refreshes()
	resp, err := c.HTTPClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized || w.refreshes() != before {
		t.Errorf("%d, %d refreshes", resp.StatusCode, w.refreshes()-before)
	}
}
