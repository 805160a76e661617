package luciatest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/session"
)

// test is the test that runs an example.
var test *testing.T

func TestExamples(t *testing.T) {
	for name, example := range map[string]func(){
		"Kit": ExampleKit, "Browser": ExampleBrowser, "Tab_Steal": ExampleTab_Steal, "NewStore": ExampleNewStore,
		"Kit_Jar": ExampleKit_Jar, "Kit_PassRefreshTTL": ExampleKit_PassRefreshTTL,
		"Browser_BindSessions": ExampleBrowser_BindSessions,
	} {
		t.Run(name, func(t *testing.T) {
			test = t
			example()
		})
	}
}

// Requests to handlers: as a script sends them, as an API's client does, and as a form does.
func ExampleKit() {
	t := test // the parameter of your test
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
	t := test // the parameter of your test
	kit := luciatest.New(t, map[string]profile{"u1": {Username: "ada"}})
	browser := luciatest.NewBrowser(t, newApp(kit.Auth))
	tab := browser.Open("/login")
	page := tab.Submit(url.Values{"username": {"u1"}, "password": {"secret"}})
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
	t := test // the parameter of your test
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
		kit.PassAccessTTL() // the thief comes later than Grace after that refresh
		if err := thief.Refresh(); !errors.Is(err, session.CodeUnauthorized) {
			t.Errorf("the thief: %v", err)
		}
	})
}

// An app that makes its own Auth, at an address of its own, and what it does while its store is
// unavailable.
func ExampleNewStore() {
	t := test // the parameter of your test
	store := luciatest.NewStore()
	auth, err := lucia.New(lucia.Config[profile]{
		Secret:   []byte(strings.Repeat("s", lucia.MinSecretBytes)),
		Store:    store,
		LoadUser: func(context.Context, string) (profile, error) { return profile{Username: "ada"}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(auth.Close)
	browser := luciatest.NewBrowserAt(t, "https://shop.example", luciatest.Transport(newApp(auth)))
	tab := browser.Open("/login")
	tab.Submit(url.Values{"username": {"u1"}, "password": {"secret"}})

	store.Down()
	if page := tab.Get("/profile"); page.Status != 200 { // needs no store call
		t.Errorf("a page while the store is down: %d", page.Status)
	}
	if err := auth.RevokeUser(t.Context(), "u1"); !errors.Is(err, luciatest.ErrDown) {
		t.Errorf("a revocation while the store is down: %v", err)
	}
	store.Up()
	if err := tab.Refresh(); err != nil {
		t.Error(err)
	}
}

// An http.Client that is signed in.
func ExampleKit_Jar() {
	t := test // the parameter of your test
	kit := luciatest.New(t, map[string]profile{"u1": {Username: "ada"}})
	client := http.Client{Jar: kit.Jar("u1"), Transport: luciatest.Transport(newApp(kit.Auth))}
	resp, err := client.Get("https://app.example/profile")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("%s", resp.Status)
	}
}

// A session that no one has used for longer than RefreshTTL.
func ExampleKit_PassRefreshTTL() {
	t := test // the parameter of your test
	synctest.Test(t, func(t *testing.T) {
		kit := luciatest.New(t, map[string]profile{"u1": {Username: "ada"}})
		tab := kit.SignIn(luciatest.NewBrowser(t, newApp(kit.Auth)), "u1").Open("/profile")
		kit.PassRefreshTTL()
		if page := tab.Get("/profile"); page.URL.Path != "/login" {
			t.Errorf("a year later the person sees %s", page.URL)
		}
	})
}
