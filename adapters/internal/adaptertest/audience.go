package adaptertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lucia-go/lucia/internal/wire"
)

// audience is a kind of request for a route behind Require.
type audience struct {
	name   string
	method string
	header headers
}

var (
	fetch     = headers{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-origin", "Accept", "*/*"}
	fromPage  = headers{"Referer", "http://example.com/page"}
	htmx2     = fetch.and("HX-Request", "true", "HX-Current-URL", "http://example.com/page")
	htmx4     = headers{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-origin", "Accept", "text/html", "HX-Request", "true", "HX-Source", "button", "HX-Current-URL", "http://example.com/page"}
	urlencode = headers{"Content-Type", "application/x-www-form-urlencoded"}
)

// audiences are the rows of the table in docs/protocol.md, with the headers that Chromium, htmx
// 1.9, 2.0 and 4.0, Turbo 7 and 8, and Unpoly 3 send.
var audiences = []audience{
	{"page navigation", "GET", navigation.and("Sec-Fetch-Site", "same-origin")},
	{"form", "POST", navigation.and("Sec-Fetch-Site", "same-origin").and(urlencode...)},
	{"page in a frame", "GET", headers{"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "same-origin", "Accept", "text/html"}},
	{"page that a service worker passes on", "GET", passedPage},
	{"form that a service worker passes on", "POST", passedPage.and(urlencode...)},
	{"fetch", "GET", fetch},
	{"fetch, POST", "POST", fetch},
	{"htmx 1 and 2", "GET", htmx2},
	{"htmx 1 and 2, POST", "POST", htmx2.and(urlencode...)},
	{"htmx 1 and 2, boosted link", "GET", htmx2.and(boosted...)},
	{"htmx 1 and 2, boosted form", "POST", htmx2.and(boosted...).and(urlencode...)},
	{"htmx 1 and 2, back to a page", "GET", htmx2.and(restored...)},
	{"htmx 4", "GET", htmx4.and("HX-Request-Type", "partial")},
	{"htmx 4, POST", "POST", htmx4.and("HX-Request-Type", "partial").and(urlencode...)},
	{"htmx 4, boosted link", "GET", htmx4.and("HX-Request-Type", "full").and(boosted...)},
	{"htmx 4, boosted form", "POST", htmx4.and("HX-Request-Type", "full").and(boosted...).and(urlencode...)},
	{"htmx 4, back to a page", "GET", htmx4.and("HX-Request-Type", "full").and(restored...)},
	{"Turbo visit", "GET", turbo},
	{"Turbo form", "POST", turboForm},
	{"Turbo frame", "GET", turboFrame},
	{"Turbo frame, form", "POST", turboForm.and("Turbo-Frame", "cart")},
	{"Unpoly link", "GET", fetch.and("X-Up-Version", "3.14.3", "X-Up-Target", "main", "X-Up-Mode", "root")},
	{"Unpoly form", "POST", fetch.and("X-Up-Version", "3.14.3", "X-Up-Target", "main").and(urlencode...)},
	{"prefetch of a page", "GET", prefetch.and("Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "same-origin")},
	{"prefetch by a link element", "GET", headers{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "same-origin", "Sec-Purpose", "prefetch", "Accept", "*/*"}},
	{"prerender", "GET", navigation.and("Sec-Fetch-Site", "same-origin", "Sec-Purpose", "prefetch;prerender")},
	{"image", "GET", image},
	{"EventSource", "GET", headers{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-origin", "Accept", "text/event-stream"}},
	{"WebSocket", "GET", websocket.and("Sec-Fetch-Mode", "websocket", "Sec-Fetch-Site", "same-origin")},
	{"curl", "GET", headers{"Accept", "*/*"}},
	{"curl, POST", "POST", headers{"Accept", "*/*"}},
}

// situations are the columns.
var situations = []struct {
	name    string
	state   state
	sibling bool
	path    string
}{
	{"signed in", signedIn, false, "/private"},
	{"refresh due", expired, false, "/private"},
	{"no session", anonymous, false, "/private"},
	{"outage", storeDown, false, "/private"},
	{"signed in, from a sibling host", signedIn, true, "/private"},
	{"signed in too long ago for `RequireRecent`", outdated, false, "/recent"},
}

const (
	tableFile  = "../../docs/protocol.md"
	tableBegin = "<!-- The table is written by the adapters' tests with LUCIA_WRITE_DOCS=1. -->\n"
	tableEnd   = "<!-- End of the table. -->\n"
)

// testAudiences checks the table of responses in docs/protocol.md. With LUCIA_WRITE_DOCS=1 it
// writes the table.
func testAudiences(t *testing.T, h Harness) {
	got := audienceTable(t, h)
	file, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(file), tableBegin)
	table, after, ended := strings.Cut(rest, tableEnd)
	if !begun || !ended {
		t.Fatalf("%s lacks the comments around the table", tableFile)
	}
	if os.Getenv("LUCIA_WRITE_DOCS") != "" {
		if err := os.WriteFile(tableFile, []byte(before+tableBegin+got+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want(t, "table in "+tableFile, got, table)
}

func audienceTable(t *testing.T, h Harness) string {
	var b strings.Builder
	head, rule := "| request |", "|---|"
	for _, s := range situations {
		head, rule = head+" "+s.name+" |", rule+"---|"
	}
	fmt.Fprintln(&b, head+"\n"+rule)
	for _, a := range audiences {
		fmt.Fprintf(&b, "| %s |", a.name)
		for _, s := range situations {
			synctest.Test(t, func(t *testing.T) {
				browser := newWorld(t, h).browser()
				s.state(browser)
				resp, body := browser.send(a.request(browser, s.path, s.sibling))
				checkAudience(t, a, s.name, resp, body)
				fmt.Fprintf(&b, " %s |", describe(resp, body))
			})
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

func (a audience) request(b *browser, path string, sibling bool) *http.Request {
	r := b.request(a.method, path, "", append(a.header.and(), fromPage...)...)
	if sibling {
		r.Header.Set("Sec-Fetch-Site", "same-site")
		r.Header.Set("Origin", "https://blog.example.com")
	}
	return r
}

// checkAudience checks what is true of every cell.
func checkAudience(t *testing.T, a audience, situation string, resp *http.Response, body string) {
	cell := a.name + ", " + situation
	caching := resp.Header.Get("Cache-Control")
	if caching != "private, no-store" {
		t.Errorf("%s: Cache-Control %q", cell, caching)
	}
	if resp.StatusCode >= 300 && !varies(resp.Header, "Accept") {
		t.Errorf("%s: Vary %q", cell, resp.Header["Vary"])
	}
	script := strings.HasPrefix(a.name, "fetch") || strings.HasPrefix(a.name, "curl") || a.name == "EventSource" || a.name == "WebSocket" || a.name == "image"
	if json.Valid([]byte(body)) && body != "" && !script {
		t.Errorf("%s: a person gets JSON: %s", cell, body)
	}
}

// describe describes a response in a few words.
func describe(resp *http.Response, body string) string {
	var coded wire.ErrorBody
	what := "?"
	switch location := resp.Header.Get("Location"); {
	case resp.StatusCode == http.StatusOK:
		return "200"
	case strings.HasPrefix(location, "/login"):
		what = "to the login page"
	case strings.HasPrefix(location, "/api/auth/step-up"):
		what = "to the step-up page"
	case strings.HasPrefix(resp.Header.Get("HX-Redirect"), "/api/auth/step-up"):
		what = "`HX-Redirect` to the step-up page"
	case strings.Contains(body, "turbo-visit-control") && strings.Contains(body, `url=/api/auth/step-up`):
		what = "page that goes to the step-up page"
	case strings.HasPrefix(resp.Header.Get("HX-Redirect"), "/login"):
		what = "`HX-Redirect` to the login page"
	case strings.Contains(body, "turbo-visit-control") && strings.Contains(body, `url=/login`):
		what = "page that goes to the login page"
	case strings.Contains(body, "<turbo-frame"):
		what = "content of the frame"
	case strings.HasPrefix(body, "<p role="):
		what = "sentence"
	case resp.Header.Get("X-Up-Open-Layer") != "":
		what = "page in an overlay"
	case strings.HasPrefix(body, "<!doctype html>"):
		what = "page"
	case json.Unmarshal([]byte(body), &coded) == nil:
		what = "`" + coded.Message + "`"
	case body == "":
		what = "empty"
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, what)
}
