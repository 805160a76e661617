package luciatest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/middleware"
)

// echoForm returns an app of one page that answers a form with the values that it received.
func echoForm(page string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" && r.Method == http.MethodGet {
			io.WriteString(w, "<!doctype html>"+page)
			return
		}
		kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		if err := r.ParseMultipartForm(1 << 20); kind == "multipart/form-data" && err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Form.Encode()+" "+kind))
	})
}

func TestSubmit(t *testing.T) {
	t.Parallel()
	const (
		buttons = `<form action="/save" method="post"><input name="a" value="1"><button name="do" value="save">Save</button>
			<input type="submit" name="do" value="del"><button name="off" value="1" disabled>Off</button>
			<button name="do" value="find" formmethod="get" formaction="/find">Find</button>
			<button name="do" value="copy" formaction="/copy" formenctype="multipart/form-data">Copy</button></form>`
		parts   = `<form method="post" enctype="multipart/form-data"><input name="a" value="1 &amp; 2"><input type="file" name="photo"></form>`
		devices = `<form method="post" action="/1"><input type="hidden" name="id" value="1"><button>End</button></form>
			<form method="post" action="/2"><input type="hidden" name="id" value="2"><button>End</button></form>
			<form method="post" action="/3"><button name="device" value="3">End</button></form>
			<form method="post" action="/4"><button name="device" value="4">End</button></form>`
	)
	for name, c := range map[string]struct {
		page   string
		fields url.Values
		want   string
	}{
		"Enter":                    {buttons, url.Values{"a": {"2"}}, "POST /save a=2&do=save application/x-www-form-urlencoded"},
		"another button":           {buttons, url.Values{"a": {"2"}, "do": {"del"}}, "POST /save a=2&do=del application/x-www-form-urlencoded"},
		"a button with a method":   {buttons, url.Values{"do": {"find"}}, "GET /find a=1&do=find"},
		"a button with an enctype": {buttons, url.Values{"do": {"copy"}}, "POST /copy a=1&do=copy multipart/form-data"},
		"in parts":                 {parts, url.Values{}, "POST / a=1+%26+2&photo= multipart/form-data"},
		"by the file":              {parts, url.Values{"photo": {""}}, "POST / a=1+%26+2&photo= multipart/form-data"},
		"the first of several":     {devices, nil, "POST /1 id=1 application/x-www-form-urlencoded"},
		"the one with the value":   {devices, url.Values{"id": {"2"}}, "POST /2 id=2 application/x-www-form-urlencoded"},
		"the one with the button":  {devices, url.Values{"device": {"4"}}, "POST /4 device=4 application/x-www-form-urlencoded"},
		"a forged value":           {devices, url.Values{"id": {"9"}}, "POST /1 id=9 application/x-www-form-urlencoded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := luciatest.NewBrowser(t, echoForm(c.page)).Open("/").Submit(c.fields)
			if page.Status != http.StatusOK || page.Body != c.want {
				t.Errorf("%d %s, want %s", page.Status, page.Body, c.want)
			}
		})
	}
}

func TestSubmitErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		app    http.Handler
		fields url.Values
		want   string
	}{
		"no such field": {echoForm(`<form><input name=a></form>`), url.Values{"b": {"1"}}, `no form that takes map["b":["1"]]`},
		"no such button": {
			echoForm(`<form><button name="do" value="save"></form>`), url.Values{"do": {"sve"}}, `no form that takes map["do":["sve"]]`,
		},
		"a dialog":          {echoForm(`<form method="dialog"><button>Close</button></form>`), nil, `the form on https://app.example/ closes a dialog`},
		"content of a file": {echoForm(`<form><input type="file" name="a"></form>`), url.Values{"a": {"x"}}, `no form that takes`},
		"no HTML": {
			http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<form></form>", http.StatusTeapot) }),
			nil, `https://app.example/ is no HTML page, so it has no forms: status 418, Content-Type "text/plain; charset=utf-8"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failed := &failingTest{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				luciatest.NewBrowser(failed, c.app).Open("/").Submit(c.fields)
			}()
			<-done
			if !strings.Contains(failed.message, c.want) {
				t.Errorf("failed with %q, want %q", failed.message, c.want)
			}
		})
	}
}

// failingTest is a test that records why it has failed, and ends.
type failingTest struct {
	testing.TB
	message string
}

func (f *failingTest) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// A form without the hidden field may go to any origin, so Submit adds no access token to it.
func TestSubmitAddsNoToken(t *testing.T) {
	t.Parallel()
	kit := luciatest.New(t, users)
	tab := kit.SignIn(luciatest.NewBrowser(t, newApp(kit.Auth)), "u1").Open("/login")
	if !tab.SignedIn() {
		t.Fatal("not signed in")
	}
	if page := tab.Submit(url.Values{"q": {"x"}}); page.URL.String() != "https://app.example/search?q=x" {
		t.Errorf("the form was sent to %s", page.URL)
	}
}

// A login page with an error status has a form that works.
func TestSubmitOnAnErrorPage(t *testing.T) {
	t.Parallel()
	kit := luciatest.New(t, users)
	app := nethttp.Wrap(kit.Auth, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		io.WriteString(w, `<!doctype html><form method="post"><input name="username"></form>`)
		middleware.PageData.Render(r.Context(), w)
	}))
	tab := kit.SignIn(luciatest.NewBrowser(t, app), "u1").Open("/login")
	for range 2 {
		if page := tab.Submit(url.Values{"username": {"x"}}); page.Status != http.StatusUnprocessableEntity || page.Data == nil || !tab.SignedIn() {
			t.Errorf("%d with the data %v, want 422 and the session's", page.Status, page.Data)
		}
	}
}
