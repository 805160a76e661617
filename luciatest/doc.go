// Package luciatest is for the tests of apps that use this library: handlers are
// tested with real sessions, without Redis, without a network and without
// sleeping.
//
//	kit := luciatest.New(t, map[string]Profile{"u1": {Username: "ada"}})
//	app := NewApp(kit.Auth) // your http.Handler: net/http, echo, gin, …
//
// One request, straight to the handler; [Kit.BearerRequest] makes those of APIs,
// [Kit.FormRequest] those of forms:
//
//	w := httptest.NewRecorder()
//	app.ServeHTTP(w, kit.Request("u1", "GET", "/profile", nil))
//
// A browser, with cookies, redirects, forms and their hidden fields, and tabs
// that refresh and sign out as the browser module does:
//
//	tab := luciatest.NewBrowser(t, app).Open("/login")
//	tab.Submit(url.Values{"username": {"ada"}, "password": {"secret"}})
//
// What can go wrong: [Browser.LoseNextResponse], [Browser.TwoTabs], [Tab.Steal],
// [Store.Down]. What must not happen: [Kit.NoStoreCall]. What takes long: in a
// bubble of testing/synctest, [Kit.PassAccessTTL] and [Kit.PassRefreshTTL] take
// no time.
//
// Misuse of the kit, such as a form that the page does not have, fails the test
// at once; so its methods are called from the test's own goroutine, except those
// that say otherwise.
package luciatest
