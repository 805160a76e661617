package luciatest_test

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/session"
)

// Requests to handlers: as a script sends them, as an API's client does, and as a form does.
func ExampleKit() {
	var t *testing.T // the parameter of your test
	kit := luciatest.New(t, map[string]profile{"u1": {Username: "ada"}})
	app := newApp(kit.Auth)

	w := httptest.NewRecorder()
	kit.NoStoreCall(func() { app.ServeHTTP(w, kit.Request("u1", "GET", "/profile", nil)) })
	app.ServeHTTP(w, kit.BearerRequest("u1", "POST", "/api/items", strings.NewReader(`{"name":"pen"}`)))
	app.ServeHTTP(w, kit.FormRequest("u1", "/rename", url.Values{"name": {"Ada"}}))

	kit.SetUser("u2", profile{Username: "grace"})
	kit.RemoveUser("u1") // the user's sessions end at their next refresh
}

// What a person sees: pages, forms, links, and an app whose store is down.
func ExampleBrowser() {
	var t *testing.T // the parameter of your test
	kit := luciatest.New(t, map[string]profile{"u1": {Username: "ada"}})
	browser := luciatest.NewBrowser(t, newApp(kit.Auth))
	tab := browser.Open("/login")
	page := tab.Submit(url.Values{"username": {"ada"}, "password": {"secret"}})
	if page.Status != 200 || !tab.SignedIn() {
		t.Errorf("signed in: %d %s", page.Status, page.Body)
	}
	tab.Follow("/profile")
	tab.Fetch("POST", "/api/items", strings.NewReader(`{"name":"pen"}`))

	up := kit.StoreDown()
	if err := tab.Refresh(); !errors.Is(err, session.CodeDatabaseFetchFailed) {
		t.Errorf("with the store down: %v", err)
	}
	up()
	store := kit.Store
	if calls := store.Calls(); calls.Refresh != 1 {
		t.Errorf("%d refreshes", calls.Refresh)
	}
}

// Time, lost answers, two tabs and a thief, without waiting for any of them.
func ExampleTab_Steal() {
	var t *testing.T // the parameter of your test
	synctest.Test(t, func(t *testing.T) {
		kit := luciatest.New(t, map[string]profile{"u1": {Username: "ada"}})
		browser := kit.SignIn(luciatest.NewBrowser(t, newApp(kit.Auth)), "u1")
		tab, other := browser.TwoTabs("/profile")
		thief := tab.Steal()

		kit.PassAccessTTL()
		browser.LoseNextResponse()
		if err := tab.Refresh(); !errors.Is(err, luciatest.ErrLost) {
			t.Errorf("a lost answer: %v", err)
		}
		if err := other.Refresh(); err != nil {
			t.Errorf("the other tab: %v", err)
		}
		kit.PassAccessTTL()
		if err := tab.Refresh(); err != nil {
			t.Errorf("a refresh later: %v", err)
		}
		if err := thief.Refresh(); !errors.Is(err, session.CodeUnauthorized) {
			t.Errorf("the thief: %v", err)
		}
	})
}
