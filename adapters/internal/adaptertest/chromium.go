package adaptertest

import (
	"io"
	"net/http"
	"testing"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/middleware"
)

// passOn is a service worker that passes on every request unchanged.
const passOn = `self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (e) => e.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (e) => e.respondWith(fetch(e.request)));`

// Chromium checks in a real browser what people see: with a service worker, and when they use the
// sign-out form of an outdated page.
func Chromium(t *testing.T, h Harness) {
	t.Run("service worker", func(t *testing.T) { testServiceWorker(t, h) })
	t.Run("sign-out form", func(t *testing.T) { testSignOutForm(t, h) })
}

// chromeWorld has a start page with forms, and a worker.
func chromeWorld(t *testing.T, h Harness) (w *world, url string) {
	w = buildWorld(t, h, App{Routes: []Route{
		{Path: "/sw.js", Handler: func(c Call) {
			c.W.Header().Set("Content-Type", "text/javascript")
			io.WriteString(c.W, passOn)
		}},
		{Path: "/home", Handler: func(c Call) {
			c.W.Header().Set("Content-Type", "text/html; charset=utf-8")
			page := `<!doctype html><title>home</title><link rel="icon" href="data:,">`
			if s := c.Session(); s != nil {
				page += `<h1>` + s.User.ID + `</h1>`
			} else {
				page += `<h1>signed out</h1>`
			}
			io.WriteString(c.W, page+`<form id="in" method="post" action="/in"></form><form id="save" method="post" action="/private"></form>`+
				`<form id="out" method="post" action="/api/auth/logout">`+string(middleware.FormField.HTML(c.R.Context()))+
				`<input type="hidden" name="redirect" value="/home"></form>`)
		}},
		{Path: "/in", Handler: func(c Call) {
			if _, err := w.auth.SignIn(c.W, c.R, "u1"); err != nil {
				t.Error(err)
			}
			http.Redirect(c.W, c.R, "/home", http.StatusSeeOther)
		}},
	}})
	return w, "http://" + w.listen(t)
}

func testServiceWorker(t *testing.T, h Harness) {
	_, url := chromeWorld(t, h)
	tab := chrometest.Start(t).Owner().Tab(t)
	tab.Open(url + "/home")
	tab.Eval(`navigator.serviceWorker.register("/sw.js").then(() => navigator.serviceWorker.ready).then(() => 1)`, nil)
	tab.Until("navigator.serviceWorker.controller")
	tab.Open(url + "/private")
	want(t, "a page", tab.Text("location.pathname + location.search"), "/login?next=%2Fprivate")
	tab.Open(url + "/home")
	tab.Eval(`document.querySelector("#save").submit()`, nil)
	tab.Until(`location.pathname === "/login"`)
	want(t, "a form", tab.Text("location.search"), "?next=%2Fhome")
}

func testSignOutForm(t *testing.T, h Harness) {
	_, url := chromeWorld(t, h)
	person := chrometest.Start(t).Owner()
	left, tab := person.Tab(t), person.Tab(t)
	signIn := func() {
		tab.Open(url + "/home")
		tab.Eval(`{ window.before = true; document.querySelector("#in").submit() }`, nil)
		tab.Until(`!window.before && document.querySelector("h1").textContent === "u1"`)
	}
	isOut := func(what string) {
		left.Until(`window.fresh === undefined && document.querySelector("h1").textContent === "signed out"`)
		want(t, what, left.Text("location.pathname"), "/home")
	}
	leave := func() { left.Eval(`{ window.fresh = false; document.querySelector("#out").submit() }`, nil) }

	signIn()
	left.Open(url + "/home")
	signIn()
	leave()
	isOut("on a page that is older than the session")
	tab.Open(url + "/home")
	want(t, "the browser", tab.Text(`document.querySelector("h1").textContent`), "signed out")

	signIn()
	left.Open(url + "/home")
	tab.Eval(`document.querySelector("#out").submit()`, nil)
	tab.Until(`document.querySelector("h1").textContent === "signed out"`)
	leave()
	left.Until(`window.fresh === undefined`)
	want(t, "in a second tab", left.Text("location.pathname"), "/")
}
