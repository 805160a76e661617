package middleware_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a-h/templ"

	"github.com/lucia-go/lucia/middleware"
)

// The parts of a page are templ components, without importing templ.
var (
	_ templ.Component = middleware.PageData
	_ templ.Component = middleware.DataBlock
	_ templ.Component = middleware.ScriptTag
	_ templ.Component = middleware.FormField
	_ templ.Component = middleware.PageData.With(nil)
)

// layout is a short form of what templ generates from
//
//	templ layout() { <!doctype html><title>T</title>@middleware.PageData{ children... } }
func layout(children ...templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		ctx = templ.InitializeContext(ctx)
		io.WriteString(w, "<!doctype html><title>T</title>")
		for _, c := range append([]templ.Component{middleware.PageData}, children...) {
			if err := c.Render(ctx, w); err != nil {
				return err
			}
		}
		return nil
	})
}

// templApp is an app whose page is a templ component. A middleware outside or inside of the Auth
// gives it a nonce.
func templApp(t *testing.T, inside bool) *app {
	a := newApp(t, func(c *middleware.Config[profile]) {
		c.Nonce = templ.GetNonce
		c.BasePath = "/shop/auth"
	})
	var h http.Handler = templ.Handler(layout(middleware.FormField))
	withNonce := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(templ.WithNonce(r.Context(), `n"1`)))
		})
	}
	mux := http.NewServeMux()
	mux.Handle("POST /login", a.handler)
	if inside {
		mux.Handle("/", withNonce(h))
		a.handler = a.auth.Handler(mux)
	} else {
		mux.Handle("/", h)
		a.handler = withNonce(a.auth.Handler(mux))
	}
	return a
}

func TestTemplPageCarriesThePageData(t *testing.T) {
	for _, inside := range []bool{false, true} {
		a := templApp(t, inside)
		b := newBrowser(t, a)
		if resp := b.do("POST", "/login?user=u1", nil); resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
		resp := b.do("GET", "/", nil, "Sec-Fetch-Dest", "document")
		page := text(t, resp)
		for _, part := range []string{
			`{"_lucia":{"user":{"user_id":"u1","username":"name of u1"},"access_token":"` + b.cookies["access_token"] + `","refresh_token":"ey`,
			`<script type="module" src="/shop/auth/auto.js?v=`,
			` nonce="n&#34;1"></script>`,
			`<input type="hidden" name="_lucia" value="` + b.cookies["access_token"] + `">`,
		} {
			if !strings.Contains(page, part) {
				t.Errorf("nonce given inside of the middleware: %v: the page lacks %s:\n%s", inside, part, page)
			}
		}
		want(t, "Cache-Control", resp.Header.Get("Cache-Control"), "private, no-store")
	}
}

// TestPageInAnswerToAFormPost renders a page in the response to a POST, as login pages do after a
// wrong password.
func TestPageInAnswerToAFormPost(t *testing.T) {
	a := templApp(t, false)
	for _, header := range [][]string{
		{"Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin"},
		{"Accept", "text/html"},
		{"HX-Request", "true"},
	} {
		resp := newBrowser(t, a).do("POST", "/", nil, header...)
		page := text(t, resp)
		for _, part := range []string{`{"_lucia":null}`, `src="/shop/auth/auto.js?v=`, ` nonce="n&#34;1"></script>`} {
			if !strings.Contains(page, part) {
				t.Errorf("%q: the page lacks %s:\n%s", header, part, page)
			}
		}
	}
}

// TestPageInTheAnswerOfASignIn renders a page in the response that signs in.
func TestPageInTheAnswerOfASignIn(t *testing.T) {
	a := newApp(t, nil)
	a.handler = a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := a.auth.SignIn(w, r, "u1"); err != nil {
			t.Error(err)
		}
		templ.Handler(layout()).ServeHTTP(w, r)
	}))
	resp := newBrowser(t, a).do("POST", "/", nil, "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin")
	if page := text(t, resp); !strings.Contains(page, `{"_lucia":{"user":{"user_id":"u1",`) || !strings.Contains(page, `"refresh_token":"ey`) {
		t.Errorf("the page does not show who signed in:\n%s", page)
	}
}

// TestComponentsOutsideOfTheMiddleware renders with a context that does not come from the
// middleware.
func TestComponentsOutsideOfTheMiddleware(t *testing.T) {
	w := httptest.NewRecorder()
	if err := layout(middleware.FormField).Render(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`{"_lucia":null}`, `src="/api/auth/auto.js?v=`, `name="_lucia" value=""`} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("the page lacks %s:\n%s", part, w.Body)
		}
	}
}
