package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/internal/testenv"
)

// What a person sees and does. Every tab fails the test where its page breaks the
// content security policy or throws.
func TestChromium(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	for _, app := range apps {
		t.Run(app, func(t *testing.T) {
			t.Run("a visit", func(t *testing.T) { testVisit(t, browser, start(t, app)) })
			t.Run("a visit, hardened", func(t *testing.T) { testVisit(t, browser, start(t, app, "-hardened")) })
			t.Run("silent refresh", func(t *testing.T) {
				testSilentRefresh(t, browser, start(t, app, "-access-ttl", "2s", "-settle", "0s", "-grace", "100ms"))
			})
			t.Run("silent refresh, hardened", func(t *testing.T) {
				testSilentRefresh(t, browser, start(t, app, "-hardened", "-access-ttl", "2s", "-settle", "0s", "-grace", "100ms"))
			})
			t.Run("two tabs", func(t *testing.T) { testTwoTabs(t, browser, start(t, app)) })
		})
	}
	for _, app := range apps {
		t.Run("a token of 70 seconds, "+app, func(t *testing.T) {
			t.Parallel() // each waits ten seconds
			testFirstRefresh(t, browser, start(t, app, "-access-ttl", "70s"))
		})
	}
	for _, app := range withNotes {
		t.Run("notes of "+app, func(t *testing.T) {
			testNotes(t, browser, start(t, app))
			t.Run("on Redis", func(t *testing.T) {
				redis := testenv.Redis(t)
				s := start(t, app, "-redis", redis.URL(), "-secret", secret)
				testNotes(t, browser, s)
				testNotesOutage(t, browser, s, redis)
			})
			t.Run("session gone", func(t *testing.T) { testNotesSessionGone(t, browser, start(t, app)) })
			t.Run("hardened", func(t *testing.T) { testNotes(t, browser, start(t, app, "-hardened")) })
		})
	}
}

// fill fills the form of the page that has a field of the first name and submits it
// by its button, as a person would.
func fill(tab *chrometest.Tab, fields ...[2]string) {
	var js strings.Builder
	fmt.Fprintf(&js, `{ const form = document.querySelector('[name="%s"]').form;`, fields[0][0])
	for _, f := range fields {
		fmt.Fprintf(&js, `form.elements[%q].value = %q;`, f[0], f[1])
	}
	js.WriteString(`form.querySelector("button").click(); }`)
	tab.Eval(js.String(), nil)
}

func signUpIn(tab *chrometest.Tab, s *server, name string) {
	tab.Open(s.URL + "/signup")
	fill(tab, [2]string{"username", name}, [2]string{"password", password})
	tab.Until(`location.pathname === "/profile" && ` + scripted)
}

// scripted says that the page's scripts have begun their work.
const scripted = `document.querySelector("[data-log] li")`

// nothingIsKept checks that the storage that scripts have holds no token and
// nothing of what a page says.
func nothingIsKept(t *testing.T, tab *chrometest.Tab, said ...string) {
	t.Helper()
	kept := tab.Text(`JSON.stringify([{...localStorage}, {...sessionStorage}])`)
	for _, secret := range append(said, "eyJ", "<") {
		if strings.Contains(kept, secret) {
			t.Errorf("the browser keeps %q in %.200s", secret, kept)
		}
	}
}

func testVisit(t *testing.T, browser *chrometest.Browser, s *server) {
	tab := browser.Person(t).Tab(t)
	name := newName()
	tab.Open(s.URL + "/profile")
	tab.Until(`location.pathname === "/login"`)
	signUpIn(tab, s, name)
	if who := tab.Text(`document.querySelector("[data-who]").innerText`); who != name {
		t.Errorf("the page is of %q, want %q", who, name)
	}
	fill(tab, [2]string{"bio", "Lives by lamplight"})
	tab.Until(`document.querySelector(".bio")?.innerText === "Lives by lamplight" && ` + scripted)
	tab.Eval(`document.querySelector("[data-ask]").click()`, nil)
	tab.Until(`document.querySelector("[data-answer]").innerText.startsWith("200")`)
	if answer := tab.Text(`document.querySelector("[data-answer]").innerText`); !strings.Contains(answer, name) {
		t.Errorf("the API says %s", answer)
	}
	tab.Eval(`document.querySelector("[data-refresh]").click()`, nil)
	tab.Until(`document.querySelector("[data-log]").innerText.includes("as you wished")`)
	fill(tab, [2]string{"bio", "Still here"}) // with the token of the refresh
	tab.Until(`document.querySelector(".bio")?.innerText === "Still here" && ` + scripted)
	nothingIsKept(t, tab)
	tab.Eval(`document.querySelector("[data-sign-out] button").click()`, nil)
	tab.Until(`location.pathname === "/" && document.querySelector('a[href="/login"]')`)
	nothingIsKept(t, tab)
	tab.Open(s.URL + "/profile")
	tab.Until(`location.pathname === "/login"`)
	fill(tab, [2]string{"username", name}, [2]string{"password", password})
	tab.Until(`location.pathname === "/profile"`)
}

// The page shows refreshes as they happen, and its form is as good as ever.
func testSilentRefresh(t *testing.T, browser *chrometest.Browser, s *server) {
	tab := browser.Person(t).Tab(t)
	signUpIn(tab, s, newName())
	tab.Eval(`window.sameDocument = true`, nil)
	tab.Until(`window.sameDocument && [...document.querySelectorAll("[data-log] li")].filter((li) => li.innerText.includes("New tokens")).length >= 3`)
	// In hardened mode the page cannot know the generation, and says nothing of it.
	tab.Until(`window.sameDocument && (document.querySelector("[data-generation-row]").hidden
		? !document.querySelector("#lucia-page-data").textContent.includes("eyJ")
		: Number(document.querySelector("[data-generation]").innerText) >= 4)`)
	fill(tab, [2]string{"bio", "Typed meanwhile"})
	tab.Until(`document.querySelector(".bio")?.innerText === "Typed meanwhile"`)
	if log := s.logged(); strings.Contains(log, "reuse") {
		t.Errorf("an honest browser was taken for a thief:\n%s", log)
	}
}

// With the flags that a person would try: a minute before a token of 70 seconds
// expires the page gets the next one, and goes on.
func testFirstRefresh(t *testing.T, browser *chrometest.Browser, s *server) {
	tab := browser.Person(t).Tab(t)
	signUpIn(tab, s, newName())
	tab.Eval(`window.sameDocument = true`, nil)
	tab.Until(`window.sameDocument && Number(document.querySelector("[data-generation]").innerText) === 2`)
	tab.Open(s.URL + "/profile")
	tab.Until(`location.pathname === "/profile" && ` + scripted)
}

// Signing out in one tab is seen in the other.
func testTwoTabs(t *testing.T, browser *chrometest.Browser, s *server) {
	person := browser.Person(t)
	first, second := person.Tab(t), person.Tab(t)
	signUpIn(first, s, newName())
	second.Open(s.URL + "/")
	second.Until(scripted)
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

// settled says that htmx has put in what it has got: until then a form is an
// ordinary one.
const settled = `!document.querySelector(".htmx-added, .htmx-settling, .htmx-swapping, .htmx-request")`

// Notes are added, edited in place and deleted without leaving the page.
func testNotes(t *testing.T, browser *chrometest.Browser, s *server) {
	tab := browser.Person(t).Tab(t)
	name := newName()
	signUpIn(tab, s, name)
	tab.Open(s.URL + "/notes")
	tab.Until(scripted)
	tab.Eval(`window.sameDocument = true`, nil)
	texts := func(want ...string) {
		t.Helper()
		tab.Until(`window.sameDocument && ` + settled + ` && ` + listed(want...))
	}
	add := func(text string) { fill(tab, [2]string{"text", text}) }
	click := func(item int, selector string) {
		tab.Eval(fmt.Sprintf(`document.querySelectorAll("#notes li")[%d].querySelector(%q).click()`, item, selector), nil)
	}
	add("Buy oil")
	texts("Buy oil")
	tab.Until(`document.querySelector("#text").value === ""`)
	add("Trim the wick <b>")
	texts("Buy oil", "Trim the wick <b>")
	click(0, "a")
	tab.Until(`document.activeElement?.matches("#notes input") && location.pathname.endsWith("/edit") && ` + settled)
	tab.Eval(`{ const input = document.querySelector("#notes input"); input.value = "Buy more oil"; input.form.querySelector("button").click(); }`, nil)
	texts("Buy more oil", "Trim the wick <b>")
	click(1, "a")
	tab.Until(`document.querySelector("#notes form.add") && ` + settled)
	click(1, "form.add a")
	texts("Buy more oil", "Trim the wick <b>")
	tab.Until(`location.pathname === "/notes"`)
	click(0, "form button")
	texts("Trim the wick <b>")
	tab.Until(`document.activeElement === document.querySelector("#notes li a")`)
	// It is htmx that has made this history, so it is htmx that would keep pages.
	if at := tab.Text(`sessionStorage.getItem("htmx-current-path-for-history") ?? "no place"`); at != "/notes" {
		t.Errorf("htmx has a history that ends at %s: that was no test", at)
	}
	said := []string{name, "wick", "oil"}
	nothingIsKept(t, tab, said...)
	tab.Back()
	tab.Until(`location.pathname.endsWith("/edit") && !window.sameDocument && ` + scripted)
	nothingIsKept(t, tab, said...)
	tab.Open(s.URL + "/notes")
	tab.Until(scripted)
	tab.Eval(`document.querySelector("[data-sign-out] button").click()`, nil)
	tab.Until(`location.pathname === "/" && document.querySelector('a[href="/login"]')`)
	nothingIsKept(t, tab, said...)
	tab.Back()
	tab.Until(`location.pathname === "/login"`)
	nothingIsKept(t, tab, said...)
}

// While the store is down, a note that cannot be kept is refused in words, and stays
// in its field.
func testNotesOutage(t *testing.T, browser *chrometest.Browser, s *server, redis *testenv.RedisServer) {
	tab := browser.Person(t).Tab(t)
	signUpIn(tab, s, newName())
	tab.Open(s.URL + "/notes")
	tab.Until(scripted)
	redis.Kill()
	fill(tab, [2]string{"text", "Lost?"})
	tab.Until(`!document.querySelector("#trouble").hidden`)
	if says := tab.Text(`document.querySelector("#trouble").innerText`); strings.ContainsAny(says, "{_") || !strings.Contains(says, "try again") {
		t.Errorf("the page says %q", says)
	}
	tab.Until(`document.querySelector("#text").value === "Lost?"`)
	tab.Faults() // htmx tells the console of every refusal, too
}

// A session that ended without the page's knowing: an edit leads to the login page,
// and signing in back to the notes.
func testNotesSessionGone(t *testing.T, browser *chrometest.Browser, s *server) {
	tab := browser.Person(t).Tab(t)
	name := newName()
	signUpIn(tab, s, name)
	tab.Open(s.URL + "/notes")
	tab.Until(scripted)
	fill(tab, [2]string{"text", "Buy oil"})
	tab.Until(settled + ` && ` + listed("Buy oil"))
	var status int
	tab.Eval(`fetch("/api/auth/logout", { method: "POST", headers: {
		Authorization: "Bearer " + JSON.parse(document.querySelector("#lucia-page-data").textContent)._lucia.access_token,
	} }).then((answer) => answer.status)`, &status)
	if status != http.StatusNoContent {
		t.Fatalf("sign-out: %d", status)
	}
	tab.Click("#notes a")
	tab.Until(`location.pathname + location.search === "/login?next=%2Fnotes" && document.querySelector("#password")`)
	fill(tab, [2]string{"username", name}, [2]string{"password", password})
	tab.Until(`location.pathname === "/notes" && ` + listed("Buy oil"))
}

// listed says that these are the notes on the page.
func listed(texts ...string) string {
	return fmt.Sprintf(`JSON.stringify([...document.querySelectorAll("#notes .text")].map((e) => e.innerText)) === JSON.stringify(%q.split("|").filter(Boolean))`, strings.Join(texts, "|"))
}

// A session that ended elsewhere: htmx is told to go to the login page.
func TestHTMXWithoutSession(t *testing.T) {
	t.Parallel()
	for _, app := range withNotes {
		t.Run(app, func(t *testing.T) { testHTMXWithoutSession(t, start(t, app)) })
	}
}

func testHTMXWithoutSession(t *testing.T, s *server) {
	a := request(t, s, "GET", "/notes/1/edit", nil, with("HX-Request", "true"), with("HX-Current-URL", s.URL+"/notes"))
	if a.status != http.StatusUnauthorized || a.header.Get("HX-Redirect") != "/login?next=%2Fnotes" {
		t.Errorf("got %d, HX-Redirect %q", a.status, a.header.Get("HX-Redirect"))
	}
	in := request(t, s, "POST", "/signup", credentials(newName(), password)).want(t, http.StatusSeeOther)
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		a := request(t, s, method, "/notes/1", map[string][]string{"text": {"x"}}, cookies(in), crossSite, with("HX-Request", "true"))
		if a.status != http.StatusForbidden {
			t.Errorf("%s from another site: %d", method, a.status)
		}
	}
	// What is refused from there is done from here.
	here := func(method, path, text string) answer {
		return request(t, s, method, path, map[string][]string{"text": {text}}, cookies(in), with("HX-Request", "true"),
			with("Origin", s.URL), with("Sec-Fetch-Site", "same-origin")).want(t, http.StatusOK)
	}
	_, rest, _ := strings.Cut(here("POST", "/notes", "one").body, `hx-delete="`)
	path, _, _ := strings.Cut(rest, `"`)
	if body := here("PUT", path, "two").body; !strings.Contains(body, "two") {
		t.Errorf("PUT %s: %s", path, body)
	}
	if body := here("DELETE", path, "").body; body != "" {
		t.Errorf("DELETE %s: %s", path, body)
	}
}
