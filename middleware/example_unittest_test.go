package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
)

// Unit-test a handler: sign in outside of the app, and add the cookies to the request. Package
// luciatest does this in one line, and has browsers, outages and the passing of time.
func ExampleAuth_Handler_unitTest() {
	auth := newAuth() // the app's own, with memstore
	app := auth.Handler(auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "Hello, ", auth.Session(r.Context()).User.Data.Username)
	})))

	in := httptest.NewRecorder()
	if _, err := auth.SignIn(in, httptest.NewRequest("POST", "/", nil), "u2"); err != nil {
		panic(err)
	}
	r := httptest.NewRequest("GET", "/profile", nil)
	for _, cookie := range in.Result().Cookies() {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output:
	// 200 Hello, zoë
}
