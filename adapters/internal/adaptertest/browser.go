package adaptertest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/lucia-go/lucia/session"
)

// Headers of a request, names and values in turn.
type headers []string

// What browsers send about a request.
var (
	navigation = headers{"Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate", "Accept", "text/html"}
	script     = headers{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin"}
	image      = headers{"Sec-Fetch-Dest", "image", "Sec-Fetch-Site", "same-origin"}
	prefetch   = headers{"Sec-Fetch-Dest", "document", "Sec-Purpose", "prefetch", "Accept", "text/html"}
	passedOn   = headers{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "same-origin"}
	passedPage = headers{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "same-origin", "Accept", "text/html"}
	elsewhere  = headers{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}
	websocket  = headers{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-Fetch-Dest", "websocket"}
	htmx       = headers{"HX-Request", "true", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin"}
	form       = headers{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"}
	turbo      = headers{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-origin", "Accept", "text/html, application/xhtml+xml"}
	turboForm  = form.and("Sec-Fetch-Dest", "empty", "Accept", "text/vnd.turbo-stream.html, text/html, application/xhtml+xml")
	turboFrame = turbo.and("Turbo-Frame", "cart")
	unpoly     = script.and("X-Up-Version", "3.14.3", "X-Up-Target", "main")
	submission = form.and(navigation...)
)

func (h headers) and(more ...string) headers { return append(slices.Clip(h), more...) }

// browser is a cookie jar with the tokens that a page's script has. The jar does not remove expired
// cookies.
type browser struct {
	*world
	access, refresh, fingerprint string // cookies; "" is none
	extra                        []string
	bearer                       session.AccessToken
	refreshToken                 session.RefreshToken
	id                           session.ID
}

func (w *world) browser() *browser { return &browser{world: w} }

// signIn signs in without using the app's routes, so that it works with any routes.
func (b *browser) signIn(userID string) *browser {
	b.t.Helper()
	w := httptest.NewRecorder()
	s, err := b.auth.SignIn(w, httptest.NewRequest("POST", "/", nil), userID)
	if err != nil {
		b.t.Fatal(err)
	}
	b.bearer, b.refreshToken, b.id = s.AccessToken, s.RefreshToken, s.ID
	b.keep(w.Result())
	return b
}

// jar returns a pointer to the cookie of a name, whatever its prefix.
func (b *browser) jar(name string) *string {
	switch {
	case strings.HasSuffix(name, "fingerprint_token"):
		return &b.fingerprint
	case strings.HasSuffix(name, "encrypt_refresh_token"):
		return &b.refresh
	}
	return &b.access
}

// keep stores the cookies of a response.
func (b *browser) keep(resp *http.Response) {
	for _, c := range resp.Cookies() {
		if strings.HasSuffix(c.Name, "_token") { // otherwise it is the app's own cookie
			*b.jar(c.Name) = c.Value
		}
	}
}

// request makes a request with the browser's cookies. The host is example.com.
func (b *browser) request(method, target, body string, h ...string) *http.Request {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, reader)
	for _, name := range []string{"access_token", "encrypt_refresh_token", "fingerprint_token"} {
		if value := *b.jar(name); value != "" {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}
	for _, cookie := range b.extra {
		r.Header["Cookie"] = []string{strings.TrimPrefix(r.Header.Get("Cookie")+"; "+cookie, "; ")}
	}
	for i := 0; i < len(h); i += 2 {
		r.Header.Add(h[i], h[i+1])
	}
	return r
}

// send sends a request and returns the response with its body.
func (b *browser) send(r *http.Request) (*http.Response, string) {
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	resp := w.Result()
	checkHeader(b.t, resp.Header)
	return resp, w.Body.String()
}

func (b *browser) do(method, target, body string, h ...string) (*http.Response, string) {
	resp, text := b.send(b.request(method, target, body, h...))
	b.keep(resp)
	return resp, text
}

// effect describes what a response does to the cookies.
func effect(resp *http.Response) string {
	var names []string
	cleared := 0
	for _, c := range resp.Cookies() {
		names = append(names, c.Name)
		if c.MaxAge < 0 {
			cleared++
		}
	}
	slices.Sort(names)
	switch all := strings.Join(names, " "); {
	case all == "":
		return kept
	case all == "access_token encrypt_refresh_token" && cleared == 0:
		return renewed
	case all == "access_token" && cleared == 0:
		return accessOnly
	case all == "access_token encrypt_refresh_token fingerprint_token" && cleared == 3:
		return cleared3
	case all == "access_token encrypt_refresh_token" && cleared == 2:
		return clearedTokens
	default:
		return all
	}
}

// What happens to the cookies.
const (
	kept       = "kept"
	renewed    = "new"
	accessOnly = "new access token"
	cleared3   = "cleared"
	// clearedTokens leaves the fingerprint.
	clearedTokens = "tokens cleared"
	// clearedOurs leaves an access cookie that in development may belong to another program.
	clearedOurs = "encrypt_refresh_token fingerprint_token"
)

// isPrivate reports whether a response is private and not stored by caches.
func isPrivate(h http.Header) bool {
	return h.Get("Cache-Control") == "private, no-store" && slices.Contains(h.Values("Vary"), "Cookie")
}
