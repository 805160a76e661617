// Package luciatest helps to test apps that use this library. Handlers are tested with real
// sessions, without Redis, without a network and without sleeping.
//
//	kit := luciatest.New(t, map[string]Profile{"u1": {Username: "ada"}})
//	app := NewApp(kit.Auth) // your http.Handler: net/http, echo, gin, …
//
// [Kit.Request] makes one request for a handler, [Kit.BearerRequest] one to an API and
// [Kit.FormRequest] one from a form:
//
//	w := httptest.NewRecorder()
//	app.ServeHTTP(w, kit.Request("u1", "GET", "/profile", nil))
//
// [Browser] has cookies, redirects and forms with their hidden fields. Its tabs refresh and sign
// out as the browser module does:
//
//	tab := luciatest.NewBrowser(t, app).Open("/login")
//	tab.Submit(url.Values{"username": {"ada"}, "password": {"secret"}})
//
// [Browser.LoseNextResponse], [Browser.TwoTabs], [Tab.Steal] and [Store.Down] simulate failures,
// races and attacks. [Kit.NoStoreCall] checks that a request does not use the session store. In a
// bubble of testing/synctest, [Kit.PassAccessTTL] and [Kit.PassRefreshTTL] let sessions expire
// without waiting.
//
// Misuse of the kit, such as a form that the page does not have, fails the test at once. So call
// its methods from the test's own goroutine, unless they document otherwise.
package luciatest
