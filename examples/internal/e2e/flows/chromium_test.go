package flows_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/internal/testenv"
)

// TestChromium tests what a person sees and does. A tab fails the test if its page violates the
// content security policy or throws.
func TestChromium(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	for _, app := range apptest.Apps {
		t.Run(app, func(t *testing.T) {
			t.Run("a visit", func(t *testing.T) { testVisit(t, browser, apptest.Start(t, app), false) })
			t.Run("a visit, hardened", func(t *testing.T) { testVisit(t, browser, apptest.Start(t, app, "-hardened"), true) })
			t.Run("silent refresh", func(t *testing.T) {
				testSilentRefresh(t, browser, apptest.Start(t, app, "-access-ttl", "2s", "-settle", "0s", "-grace", "100ms"))
			})
			t.Run("silent refresh, hardened", func(t *testing.T) {
				testSilentRefresh(t, browser, apptest.Start(t, app, "-hardened", "-access-ttl", "2s", "-settle", "0s", "-grace", "100ms"))
			})
			t.Run("two tabs", func(t *testing.T) { testTwoTabs(t, browser, apptest.Start(t, app)) })
		})
	}
	for _, app := range apptest.Apps {
		t.Run("a token of 70 seconds, "+app, func(t *testing.T) {
			t.Parallel() // each of them waits ten seconds
			testFirstRefresh(t, browser, apptest.Start(t, app, "-access-ttl", "70s"))
		})
	}
	for _, app := range apptest.WithNotes {
		t.Run("notes of "+app, func(t *testing.T) {
			testNotes(t, browser, apptest.Start(t, app))
			t.Run("on Redis", func(t *testing.T) {
				redis := testenv.Redis(t)
				s := apptest.Start(t, app, "-redis", redis.URL(), "-secret", apptest.Secret)
				testNotes(t, browser, s)
				testNotesOutage(t, browser, s, redis)
			})
			t.Run("session gone", func(t *testing.T) { testNotesSessionGone(t, browser, apptest.Start(t, app)) })
			t.Run("hardened", func(t *testing.T) { testNotes(t, browser, apptest.Start(t, app, "-hardened")) })
		})
	}
}

// nothingIsKept checks that the storage of scripts contains no token and no text of a page.
func nothingIsKept(t *testing.T, tab *chrometest.Tab, said ...string) {
	t.Helper()
	kept := tab.Text(`JSON.stringify([{...localStorage}, {...sessionStorage}])`)
	for _, secret := range append(said, "eyJ", "<") {
		if strings.Contains(kept, secret) {
			t.Errorf("the browser keeps %q in %.200s", secret, kept)
		}
	}
}

func testVisit(t *testing.T, browser *chrometest.Browser, s *apptest.Server, otherScreen bool) {
	tab := browser.Person(t).Tab(t)
	apptest.OnScreen(tab, s.App, otherScreen)
	name := apptest.NewName()
	tab.Open(s.URL + "/profile")
	tab.Until(`location.pathname === "/login"`)
	apptest.SignUpIn(tab, s, name)
	if who := tab.Text(`document.querySelector("[data-who]").innerText`); who != name {
		t.Errorf("the page shows %q, want %q", who, name)
	}
	apptest.Fill(tab, [2]string{"bio", "Lives by lamplight"})
	tab.Until(`document.querySelector(".bio")?.innerText === "Lives by lamplight" && ` + apptest.Scripted)
	tab.Eval(`document.querySelector("[data-ask]").click()`, nil)
	tab.Until(`document.querySelector("[data-answer]").innerText.startsWith("200")`)
	if answer := tab.Text(`document.querySelector("[data-answer]").innerText`); !strings.Contains(answer, name) {
		t.Errorf("the API says %s", answer)
	}
	tab.Eval(`document.querySelector("[data-refresh]").click()`, nil)
	tab.Until(`document.querySelector("[data-log]").innerText.includes("at your request")`)
	apptest.Fill(tab, [2]string{"bio", "Still here"}) // the form has the token of the refresh
	tab.Until(`document.querySelector(".bio")?.innerText === "Still here" && ` + apptest.Scripted)
	nothingIsKept(t, tab)
	tab.Eval(`document.querySelector("[data-sign-out] button").click()`, nil)
	tab.Until(`location.pathname === "/" && document.querySelector('a[href="/login"]')`)
	nothingIsKept(t, tab)
	tab.Open(s.URL + "/profile")
	tab.Until(`location.pathname === "/login"`)
	apptest.Fill(tab, [2]string{"username", name}, [2]string{"password", apptest.Password})
	tab.Until(`location.pathname === "/profile"`)
}

// The page shows refreshes as they happen, and its form still works.
func testSilentRefresh(t *testing.T, browser *chrometest.Browser, s *apptest.Server) {
	tab := browser.Person(t).Tab(t)
	apptest.SignUpIn(tab, s, apptest.NewName())
	tab.Eval(`window.sameDocument = true`, nil)
	tab.Until(`window.sameDocument && [...document.querySelectorAll("[data-log] li")].filter((li) => li.innerText.includes("New tokens")).length >= 3`)
	// In hardened mode the page does not know the generation and does not show it.
	tab.Until(`window.sameDocument && (document.querySelector("[data-generation-row]").hidden
		? !document.querySelector("#lucia-page-data").textContent.includes("eyJ")
		: Number(document.querySelector("[data-generation]").innerText) >= 4)`)
	apptest.Fill(tab, [2]string{"bio", "Typed meanwhile"})
	tab.Until(`document.querySelector(".bio")?.innerText === "Typed meanwhile"`)
	if log := s.Logged(); strings.Contains(log, "reuse") {
		t.Errorf("the reuse of an honest browser was reported:\n%s", log)
	}
}

// A minute before a token of 70 seconds expires, the page gets the next one. People try the
// examples with such flags.
func testFirstRefresh(t *testing.T, browser *chrometest.Browser, s *apptest.Server) {
	tab := browser.Person(t).Tab(t)
	apptest.SignUpIn(tab, s, apptest.NewName())
	tab.Eval(`window.sameDocument = true`, nil)
	tab.Until(`window.sameDocument && Number(document.querySelector("[data-generation]").innerText) >= 2`)
	tab.Open(s.URL + "/profile")
	tab.Until(`location.pathname === "/profile" && ` + apptest.Scripted)
}

// Signing out in one tab reaches the other.
func testTwoTabs(t *testing.T, browser *chrometest.Browser, s *apptest.Server) {
	person := browser.Person(t)
	first, second := person.Tab(t), person.Tab(t)
	apptest.SignUpIn(first, s, apptest.NewName())
	second.Open(s.URL + "/")
	second.Until(apptest.Scripted)
	first.Eval(`document.querySelector("[data-sign-out] button").click()`, nil)
	first.Until(`location.pathname === "/"`)
	second.Until(`!document.querySelector("#gone").hidden`)
	for _, is := range []string{
		`document.querySelector("[data-outcome]").innerText === "ended"`,
		`document.querySelector("[data-bar]").value === 0`,
		`document.querySelector("[data-sign-out]").hidden`,
		`[...document.querySelectorAll("main button")].every((button) => button.disabled)`,
		`[...document.querySelectorAll("[data-log] li")].filter((li) => li.innerText.includes("ended")).length === 1`,
	} {
		second.Until(is)
	}
}

// Notes are added, edited in place and deleted without leaving the page.
func testNotes(t *testing.T, browser *chrometest.Browser, s *apptest.Server) {
	tab := browser.Person(t).Tab(t)
	name := apptest.NewName()
	apptest.SignUpIn(tab, s, name)
	tab.Open(s.URL + "/notes")
	tab.Until(apptest.Scripted)
	tab.Eval(`window.sameDocument = true`, nil)
	texts := func(want ...string) {
		t.Helper()
		tab.Until(`window.sameDocument && ` + apptest.Settled + ` && ` + listed(want...))
	}
	add := func(text string) { apptest.Fill(tab, [2]string{"text", text}) }
	click := func(item int, selector string) {
		tab.Eval(fmt.Sprintf(`document.querySelectorAll("#notes li")[%d].querySelector(%q).click()`, item, selector), nil)
	}
	add("Buy oil")
	texts("Buy oil")
	tab.Until(`document.querySelector("#text").value === ""`)
	add("Trim the wick <b>")
	texts("Buy oil", "Trim the wick <b>")
	click(0, "a")
	tab.Until(`document.activeElement?.matches("#notes input") && location.pathname.endsWith("/edit") && ` + apptest.Settled)
	tab.Eval(`{ const input = document.querySelector("#notes input"); input.value = "Buy more oil"; input.form.querySelector("button").click(); }`, nil)
	texts("Buy more oil", "Trim the wick <b>")
	click(1, "a")
	tab.Until(`document.querySelector("#notes form.add") && ` + apptest.Settled)
	click(1, "form.add a")
	texts("Buy more oil", "Trim the wick <b>")
	tab.Until(`location.pathname === "/notes"`)
	click(0, "form button")
	texts("Trim the wick <b>")
	tab.Until(`document.activeElement === document.querySelector("#notes li a")`)
	// htmx made these history entries, so it might store pages.
	if at := tab.Text(`sessionStorage.getItem("htmx-current-path-for-history") ?? "no place"`); at != "/notes" {
		t.Errorf("the history of htmx ends at %s, so this tests nothing", at)
	}
	said := []string{name, "wick", "oil"}
	nothingIsKept(t, tab, said...)
	tab.Back()
	tab.Until(`location.pathname.endsWith("/edit") && !window.sameDocument && ` + apptest.Scripted)
	nothingIsKept(t, tab, said...)
	tab.Open(s.URL + "/notes")
	tab.Until(apptest.Scripted)
	tab.Eval(`document.querySelector("[data-sign-out] button").click()`, nil)
	tab.Until(`location.pathname === "/" && document.querySelector('a[href="/login"]')`)
	nothingIsKept(t, tab, said...)
	tab.Back()
	tab.Until(`location.pathname === "/login"`)
	nothingIsKept(t, tab, said...)
}

// While the store is down, a note that cannot be saved is refused with a sentence, and its text
// stays in the field.
func testNotesOutage(t *testing.T, browser *chrometest.Browser, s *apptest.Server, redis *testenv.RedisServer) {
	tab := browser.Person(t).Tab(t)
	apptest.SignUpIn(tab, s, apptest.NewName())
	tab.Open(s.URL + "/notes")
	tab.Until(apptest.Scripted)
	redis.Kill()
	apptest.Fill(tab, [2]string{"text", "Lost?"})
	tab.Until(`!document.querySelector("#trouble").hidden`)
	if says := tab.Text(`document.querySelector("#trouble").innerText`); strings.ContainsAny(says, "{_") || !strings.Contains(says, "try again") {
		t.Errorf("the page says %q", says)
	}
	tab.Until(`document.querySelector("#text").value === "Lost?"`)
	tab.Faults() // htmx also reports each refusal to the console
}

// The session ends without a message to the page. An edit leads to the login page, and signing in
// leads back to the notes.
func testNotesSessionGone(t *testing.T, browser *chrometest.Browser, s *apptest.Server) {
	tab := browser.Person(t).Tab(t)
	name := apptest.NewName()
	apptest.SignUpIn(tab, s, name)
	tab.Open(s.URL + "/notes")
	tab.Until(apptest.Scripted)
	apptest.Fill(tab, [2]string{"text", "Buy oil"})
	tab.Until(apptest.Settled + ` && ` + listed("Buy oil"))
	var status int
	tab.Eval(`fetch("/api/auth/logout", { method: "POST", headers: {
		Authorization: "Bearer " + JSON.parse(document.querySelector("#lucia-page-data").textContent)._lucia.access_token,
	} }).then((answer) => answer.status)`, &status)
	if status != http.StatusNoContent {
		t.Fatalf("sign-out: %d", status)
	}
	tab.Click("#notes a")
	tab.Until(`location.pathname + location.search === "/login?next=%2Fnotes" && document.querySelector("#password")`)
	apptest.Fill(tab, [2]string{"username", name}, [2]string{"password", apptest.Password})
	tab.Until(`location.pathname === "/notes" && ` + listed("Buy oil"))
}

// listed returns an expression that is true if the page shows these notes.
func listed(texts ...string) string {
	return fmt.Sprintf(`JSON.stringify([...document.querySelectorAll("#notes .text")].map((e) => e.innerText)) === JSON.stringify(%q.split("|").filter(Boolean))`, strings.Join(texts, "|"))
}

// The session ended elsewhere. The answer makes htmx go to the login page.
func TestHTMXWithoutSession(t *testing.T) {
	t.Parallel()
	for _, app := range apptest.WithNotes {
		t.Run(app, func(t *testing.T) { testHTMXWithoutSession(t, apptest.Start(t, app)) })
	}
}

func testHTMXWithoutSession(t *testing.T, s *apptest.Server) {
	a := apptest.Request(t, s, "GET", "/notes/1/edit", nil, apptest.With("HX-Request", "true"), apptest.With("HX-Current-URL", s.URL+"/notes"))
	if a.Status != http.StatusUnauthorized || a.Header.Get("HX-Redirect") != "/login?next=%2Fnotes" {
		t.Errorf("got %d, HX-Redirect %q", a.Status, a.Header.Get("HX-Redirect"))
	}
	in := apptest.Request(t, s, "POST", "/signup", apptest.Credentials(apptest.NewName(), apptest.Password)).Want(t, http.StatusSeeOther)
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		a := apptest.Request(t, s, method, "/notes/1", map[string][]string{"text": {"x"}}, apptest.Cookies(in), apptest.CrossSite, apptest.With("HX-Request", "true"))
		if a.Status != http.StatusForbidden {
			t.Errorf("%s from another site: %d", method, a.Status)
		}
	}
	// The same requests from this site succeed.
	here := func(method, path, text string) apptest.Answer {
		return apptest.Request(t, s, method, path, map[string][]string{"text": {text}}, apptest.Cookies(in), apptest.With("HX-Request", "true"),
			apptest.With("Origin", s.URL), apptest.With("Sec-Fetch-Site", "same-origin")).Want(t, http.StatusOK)
	}
	_, rest, _ := strings.Cut(here("POST", "/notes", "one").Body, `hx-delete="`)
	path, _, _ := strings.Cut(rest, `"`)
	if body := here("PUT", path, "two").Body; !strings.Contains(body, "two") {
		t.Errorf("PUT %s: %s", path, body)
	}
	if body := here("DELETE", path, "").Body; body != "" {
		t.Errorf("DELETE %s: %s", path, body)
	}
}
