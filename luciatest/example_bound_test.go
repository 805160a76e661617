package luciatest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/luciatest"
)

// A browser that binds its session to a key of its device. Copied cookies are of use until the
// access token expires, and so are those of a profile that has lost its key.
func ExampleBrowser_BindSessions() {
	t := test // the parameter of your test
	synctest.Test(t, bindSession)
}

func bindSession(t *testing.T) {
	kit := luciatest.New(t, map[string]profile{"u1": {Username: "ada"}},
		func(c *lucia.Config[profile]) { c.DeviceBound = true })
	auth, mux := kit.Auth, http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `<!doctype html><form method="post"><input name="user"></form>`)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := auth.SignIn(w, r, r.PostFormValue("user")); err != nil {
			lucia.Error(w, r, err)
			return
		}
		http.Redirect(w, r, "/account", http.StatusSeeOther)
	})
	mux.Handle("GET /account", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "bound: ", auth.Session(r.Context()).Bound())
	}), lucia.RequireBound()))
	browser := luciatest.NewBrowser(t, nethttp.Wrap(auth, mux)).BindSessions()

	tab := browser.Open("/login")
	tab.Submit(url.Values{"user": {"u1"}})
	if page := tab.Get("/account"); page.Body != "bound: true" {
		t.Errorf("the page says %q", page.Body)
	}
	if ids := browser.BoundSessions(); len(ids) != 1 {
		t.Errorf("the browser has keys for %q", ids)
	}
	thief := tab.Steal() // the cookies, without the key

	kit.PassAccessTTL()
	if page := tab.Get("/account"); page.Status != http.StatusOK {
		t.Errorf("the browser with the key: %d", page.Status)
	}
	if page := thief.Get("/account"); page.URL.Path != "/login" {
		t.Errorf("the thief sees %s", page.URL)
	}

	browser.LoseKeys()
	kit.PassAccessTTL()
	if page := tab.Get("/account"); page.URL.Path != "/login" {
		t.Errorf("the browser that has lost the key sees %s", page.URL)
	}
}
