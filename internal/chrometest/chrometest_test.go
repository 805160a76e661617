package chrometest_test

import (
	"bytes"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
)

func TestTab(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "script-src 'self'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		value := "none"
		if cookie, err := r.Cookie("name"); err == nil {
			value = cookie.Value
		}
		http.SetCookie(w, &http.Cookie{Name: "name", Value: "set", MaxAge: 3600})
		switch r.URL.Path {
		case "/ran.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, "window.ran = true")
		case "/restless":
			fmt.Fprint(w, "<!doctype html><script src=/again.js></script>")
		case "/again.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, "setTimeout(() => location.replace('/restless'))")
		case "/form":
			fmt.Fprint(w, "<!doctype html><meta name=viewport content='width=device-width'><form><input name=q value=old><button>go</button></form><script src=/ran.js></script>")
		default:
			fmt.Fprintf(w, "<!doctype html><meta name=viewport content='width=device-width'><p>%s", value)
		}
	}))
	defer server.Close()
	browser := chrometest.Start(t)

	t.Run("people have cookies of their own, tabs of one person share them", func(t *testing.T) {
		one, other := browser.Person(t), browser.Person(t)
		for _, step := range []struct {
			person *chrometest.Person
			want   string
		}{{one, "none"}, {one, "set"}, {other, "none"}} {
			tab := step.person.Tab(t)
			tab.Open(server.URL)
			if got := tab.Text("document.body.innerText"); got != step.want {
				t.Errorf("page says %q, want %q", got, step.want)
			}
		}
	})
	t.Run("scripts run first, expressions may be promises", func(t *testing.T) {
		tab := browser.Person(t).Tab(t, "window.first = 41")
		tab.Open(server.URL)
		var n int
		if tab.Eval("Promise.resolve(first + 1)", &n); n != 42 {
			t.Errorf("got %d", n)
		}
	})
	t.Run("waiting goes on in the next document", func(t *testing.T) {
		tab := browser.Person(t).Tab(t)
		tab.Open(server.URL)
		tab.Eval("void setTimeout(() => location.href = '/there', 50)", nil)
		tab.Until("location.pathname === '/there' && document.readyState === 'complete'")
		tab.Back()
		tab.Until("location.pathname === '/'")
	})
	t.Run("a page that navigates by itself does not disturb opening another", func(t *testing.T) {
		tab := browser.Person(t).Tab(t)
		for range 20 {
			tab.Open(server.URL + "/restless")
		}
	})
	t.Run("forms work without scripts", func(t *testing.T) {
		tab := browser.Person(t).Tab(t)
		tab.Scripting(false)
		tab.Open(server.URL + "/form")
		tab.Type("[name=q]", "typed 🙂")
		tab.Submit("button")
		if got := tab.Text("decodeURIComponent(location.search) + typeof window.ran"); got != "?q=typed+🙂undefined" {
			t.Errorf("the form led to %q", got)
		}
	})
	t.Run("clicks reach scripts, text replaces text", func(t *testing.T) {
		tab := browser.Person(t).Tab(t)
		tab.Open(server.URL + "/form")
		tab.Until("window.ran")
		tab.Eval("void document.querySelector('button').addEventListener('click', (e) => { e.preventDefault(); window.clicked = true })", nil)
		tab.Type("[name=q]", "one")
		tab.Type("[name=q]", "two")
		tab.Click("button")
		tab.Until("window.clicked && document.querySelector('[name=q]').value === 'two'")
	})
	t.Run("screens", func(t *testing.T) {
		tab := browser.Person(t).Tab(t)
		tab.Open(server.URL)
		for _, dark := range []bool{true, false} {
			tab.Screen(360, 640, dark)
			want := fmt.Sprintf("360 %t", dark)
			tab.Until("innerWidth + ' ' + matchMedia('(prefers-color-scheme: dark)').matches === '" + want + "'")
			config, err := png.DecodeConfig(bytes.NewReader(tab.Screenshot()))
			if err != nil || config.Width != 360 {
				t.Errorf("the screenshot is %d wide (%v), want 360", config.Width, err)
			}
		}
	})
	t.Run("offline", func(t *testing.T) {
		tab := browser.Person(t).Tab(t)
		tab.Open(server.URL)
		for _, off := range []bool{true, false} {
			tab.Offline(off)
			tab.Until(fmt.Sprintf("navigator.onLine === %t", !off))
			var failed bool
			if tab.Eval("fetch('/').then(() => false, () => true)", &failed); failed != off {
				t.Errorf("offline %t: fetch failed %t", off, failed)
			}
		}
	})
	t.Run("faults are recorded", func(t *testing.T) {
		tab := browser.Person(t).Tab(t)
		tab.Open(server.URL)
		for fault, script := range map[string]string{
			"of the app":              "void setTimeout(() => { throw new Error('of the app') })",
			"rejected":                "void setTimeout(() => Promise.reject(new Error('rejected')))",
			"on console":              "console.error('on console')",
			"Content Security Policy": "void document.body.append(Object.assign(document.createElement('script'), { textContent: '1' }))",
		} {
			tab.Eval(script, nil)
			got := ""
			for deadline := time.Now().Add(time.Minute); !strings.Contains(got, fault); {
				if time.Now().After(deadline) {
					t.Fatalf("%s: recorded %q", script, got)
				}
				tab.Eval("new Promise((r) => setTimeout(r, 50))", nil)
				got += strings.Join(tab.Faults(), "\n")
			}
		}
	})
	t.Run("faults fail the test, those of the last moment too", func(t *testing.T) {
		for _, script := range []string{
			"void Promise.reject(new Error('unseen fault'))",
			"void queueMicrotask(() => { throw new Error('unseen fault') })",
			"console.error('unseen fault')",
		} {
			failing := &failing{TB: t}
			tab := browser.Person(t).Tab(failing)
			tab.Open(server.URL)
			tab.Eval(script, nil)
			tab.Close()
			if got := strings.Join(failing.errors, "\n"); !strings.Contains(got, "unseen fault") {
				t.Errorf("%s: the test fails with %q", script, got)
			}
		}
	})
}

// failing is a test that may fail.
type failing struct {
	testing.TB
	errors []string
}

func (f *failing) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}
