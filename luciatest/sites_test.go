package luciatest_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/middleware"
)

// newProvider returns an identity provider. It asks people for their name and sends them back with
// a code, which is the name.
func newProvider() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `<!doctype html><form method="post"><input name="name"><button>Yes, that is me</button></form>`)
	})
	mux.HandleFunc("POST /authorize", func(w http.ResponseWriter, r *http.Request) {
		back := url.Values{"state": {r.FormValue("state")}, "code": {r.FormValue("name")}}
		http.Redirect(w, r, r.FormValue("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
	})
	return mux
}

// newAppWithProvider returns an app that signs in people who return from the provider.
func newAppWithProvider(auth *middleware.Auth[profile]) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `<!doctype html><a href="/login/start">Sign in elsewhere</a>`)
	})
	mux.HandleFunc("GET /login/start", func(w http.ResponseWriter, r *http.Request) {
		state := rand.Text()
		http.SetCookie(w, &http.Cookie{Name: "__Host-state", Value: state, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		query := url.Values{"state": {state}, "redirect_uri": {"https://app.example/login/callback"}}
		http.Redirect(w, r, "https://idp.example/authorize?"+query.Encode(), http.StatusSeeOther)
	})
	mux.HandleFunc("GET /login/callback", func(w http.ResponseWriter, r *http.Request) {
		state, err := r.Cookie("__Host-state")
		if err != nil || state.Value != r.FormValue("state") {
			http.Error(w, "start again", http.StatusForbidden)
			return
		}
		// A real app would now ask the provider whose code it is.
		if _, err := auth.SignIn(w, r, r.FormValue("code")); err != nil {
			middleware.WriteError(w, err)
			return
		}
		http.Redirect(w, r, "/profile", http.StatusSeeOther)
	})
	mux.Handle("GET /profile", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<!doctype html><h1>%s</h1>", auth.Session(r.Context()).User.Data.Username)
		middleware.PageData.Render(r.Context(), w)
	})))
	return nethttp.Wrap(auth, mux)
}

func TestSignInThroughAnotherSite(t *testing.T) {
	t.Parallel()
	kit := luciatest.New(t, users)
	web := http.NewServeMux()
	web.Handle("/", newAppWithProvider(kit.Auth))
	web.Handle("idp.example/", newProvider())
	browser := luciatest.NewBrowser(t, web)
	tab := browser.Open("/login")
	if page := tab.Follow("/login/start"); page.URL.Host != "idp.example" {
		t.Fatalf("%d %s, want the provider's page", page.Status, page.URL)
	}
	page := tab.Submit(url.Values{"name": {"u1"}})
	if page.URL.String() != "https://app.example/profile" || !strings.Contains(page.Body, "<h1>ada</h1>") || !tab.SignedIn() {
		t.Errorf("%d at %s: %s", page.Status, page.URL, page.Body)
	}
	if page := luciatest.NewBrowser(t, web).Open("/login/callback?code=u1&state=").Page(); page.Status != http.StatusForbidden {
		t.Errorf("an unexpected callback: %d", page.Status)
	}
}

// The headers depend on how the browser reaches a page: by a link, an address or a redirect.
func TestBrowserSendsReferer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		open func(*luciatest.Tab)
		want []string
	}{
		"a link": {
			func(tab *luciatest.Tab) { tab.Follow("next") },
			[]string{"app.example/next same-origin https://app.example/page?q"},
		},
		"a link elsewhere": {
			func(tab *luciatest.Tab) { tab.Follow("//other.example/next") },
			[]string{"other.example/next cross-site https://app.example/"},
		},
		"a link without TLS": {
			func(tab *luciatest.Tab) { tab.Follow("http://other.example/next") },
			[]string{"other.example/next cross-site "},
		},
		"a link of a page with a password in its address": {
			func(tab *luciatest.Tab) { tab.Get("https://ada:secret@app.example/page"); tab.Follow("next") },
			[]string{"app.example/page none ", "app.example/next same-origin https://app.example/page"},
		},
		"an address": {
			func(tab *luciatest.Tab) { tab.Get("/next") },
			[]string{"app.example/next none "},
		},
		"an address that redirects": {
			func(tab *luciatest.Tab) { tab.Get("/away") },
			[]string{"app.example/away none ", "other.example/back none ", "app.example/next none "},
		},
		"a link that redirects": {
			func(tab *luciatest.Tab) { tab.Follow("/away") },
			[]string{
				"app.example/away same-origin https://app.example/page?q",
				"other.example/back cross-site https://app.example/", "app.example/next cross-site https://app.example/",
			},
		},
		"a link that redirects to a place without TLS": {
			func(tab *luciatest.Tab) { tab.Follow("/plain") },
			[]string{"app.example/plain same-origin https://app.example/page?q", "app.example/next cross-site "},
		},
		"a script": {
			func(tab *luciatest.Tab) { tab.Fetch("GET", "/next", nil) },
			[]string{"app.example/next same-origin https://app.example/page?q"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			web := http.NewServeMux()
			web.Handle("app.example/away", http.RedirectHandler("https://other.example/back", http.StatusFound))
			web.Handle("other.example/back", http.RedirectHandler("https://app.example/next", http.StatusFound))
			web.Handle("app.example/plain", http.RedirectHandler("http://app.example/next", http.StatusFound))
			web.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
			tab := luciatest.NewBrowser(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = append(got, r.Host+r.URL.Path+" "+r.Header.Get("Sec-Fetch-Site")+" "+r.Header.Get("Referer"))
				web.ServeHTTP(w, r)
			})).Open("/page?q#part")
			got = nil
			c.open(tab)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}
