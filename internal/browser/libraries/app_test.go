package libraries_test

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

//go:embed testdata/app
var files embed.FS

var templates = template.Must(template.ParseFS(files, "testdata/app/page.html"))

// policy allows inline styles, which the libraries need, and no inline scripts.
const policy = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'"

// deed is a text that a user has sent with a form.
type deed struct{ user, text string }

// libraryApp is an app whose links and forms a library handles.
type libraryApp struct {
	*httptest.Server
	auth      *middleware.Auth[struct{}]
	refreshes atomic.Int64 // requests to the refresh route

	lib library
	// morph makes the library morph pages. noHistory makes htmx keep no history.
	morph, noHistory bool

	mu    sync.Mutex
	deeds []deed
}

// grace is how long a request of these tests may be delayed. A busy machine is slow.
const grace = 3 * time.Second

// lasting is a life of access tokens in which no test, however slow the machine, sees a silent
// refresh.
const lasting = 3 * time.Hour

// newLibraryApp starts an app whose access tokens live for ttl. Settle is minimal, because these
// tests cannot wait for disks.
func newLibraryApp(t *testing.T, lib library, ttl time.Duration, change ...func(*libraryApp)) *libraryApp {
	t.Helper()
	app := &libraryApp{lib: lib}
	for _, c := range change {
		c(app)
	}
	auth, err := middleware.New(middleware.Config[struct{}]{
		Secret:    []byte("a secret of thirty-two bytes....."),
		Store:     memstore.New(),
		LoadUser:  func(context.Context, string) (struct{}, error) { return struct{}{}, nil },
		AccessTTL: ttl,
		Grace:     grace,
		Timeout:   time.Minute, // calls do not fail because the machine is busy
		Settle:    -1,
		Dev:       true,
		Hardened:  lib.hardened,
		Logger:    slog.New(slog.DiscardHandler),
		OnEvent: func(e session.Event) {
			if e.Kind == session.EventReuse {
				t.Errorf("the reuse of an honest browser was reported: %+v", e)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	app.auth = auth
	handler := nethttp.Wrap(auth, app.pages())
	app.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/auth/refresh" {
			app.refreshes.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(app.Close)
	return app
}

// pages are the app's own. All but the first and the login page need a session.
func (app *libraryApp) pages() http.Handler {
	mux := http.NewServeMux()
	private := func(pattern string, page http.HandlerFunc) { mux.Handle(pattern, app.auth.Require(page)) }
	// form registers a page for forms that carry their page's session.
	form := func(pattern string, page func(w http.ResponseWriter, r *http.Request, text string)) {
		private(pattern, func(w http.ResponseWriter, r *http.Request) {
			got, err := app.auth.ValidateFormSubmission(r)
			if err != nil {
				app.page(w, r, middleware.Status(err), pageContent{Heading: "refused"})
				return
			}
			text := strings.TrimSpace(r.PostFormValue("text"))
			if text != "" {
				app.mu.Lock()
				app.deeds = append(app.deeds, deed{got.User.ID, text})
				app.mu.Unlock()
			}
			page(w, r, text)
		})
	}
	heading := func(heading string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			app.page(w, r, http.StatusOK, pageContent{Heading: heading})
		}
	}
	mux.HandleFunc("GET /{$}", heading("home"))
	private("GET /a", heading("a"))
	private("GET /b", heading("b"))
	private("GET /saved", heading("saved"))
	private("GET /search", func(w http.ResponseWriter, r *http.Request) {
		app.page(w, r, http.StatusOK, pageContent{Heading: "found " + r.FormValue("q")})
	})
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		app.page(w, r, http.StatusOK, pageContent{Heading: "login", Next: middleware.ReturnPath(r, "")})
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := app.auth.SignIn(w, r, r.PostFormValue("user")); err != nil {
			middleware.WriteError(w, err)
			return
		}
		http.Redirect(w, r, middleware.ReturnPath(r, "/a"), http.StatusSeeOther)
	})
	form("POST /save", func(w http.ResponseWriter, r *http.Request, text string) {
		switch text {
		case "":
			app.page(w, r, http.StatusUnprocessableEntity, pageContent{Heading: "again", Error: "Say something."})
		case "stay":
			http.Redirect(w, r, "/a", http.StatusSeeOther)
		default:
			http.Redirect(w, r, "/saved", http.StatusSeeOther)
		}
	})
	private("GET /part", func(w http.ResponseWriter, r *http.Request) { app.part(w, r, r.FormValue("n")) })
	form("POST /part", func(w http.ResponseWriter, r *http.Request, text string) { app.part(w, r, text) })
	form("POST /stream", func(w http.ResponseWriter, r *http.Request, _ string) {
		w.Header().Set("Content-Type", "text/vnd.turbo-stream.html; charset=utf-8")
		app.render(w, r, "stream", pageContent{Note: "streamed"})
	})
	mux.HandleFunc("GET /forget", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: wire.CookieAccess, Path: "/", MaxAge: -1})
	})
	mux.HandleFunc("GET /api/me", func(w http.ResponseWriter, r *http.Request) {
		validate := app.auth.ValidateRequest
		if app.lib.hardened {
			validate = app.auth.ValidateRequestByCookie
		}
		got, err := validate(r)
		if err != nil {
			w.Header().Set("WWW-Authenticate", wire.ChallengeInvalid)
			middleware.WriteError(w, err)
			return
		}
		fmt.Fprint(w, got.User.ID)
	})
	mux.HandleFunc("GET /library/{file...}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, dir+"/node_modules/"+app.lib.npm+"/"+r.PathValue("file"))
	})
	mux.Handle("GET /testdata/app/", http.FileServerFS(files))
	mux.Handle("GET /testdata/site/", http.FileServer(http.Dir(".."))) // of package browser
	return mux
}

// pageContent is the content of a page of the app.
type pageContent struct {
	Heading, Next, Text, Error, Note, Part string

	Who, Kind        string
	Styles, Scripts  []string
	Morph, NoHistory bool
	Field, PageData  template.HTML
}

// Following is the number of the part after this one.
func (c pageContent) Following() int {
	n, _ := strconv.Atoi(c.Part)
	return n + 1
}

// part answers with a part of a page. htmx gets the part alone, and the other libraries get it
// within a page.
func (app *libraryApp) part(w http.ResponseWriter, r *http.Request, part string) {
	content := pageContent{Heading: "part", Part: part}
	if app.lib.kind != "htmx" {
		app.page(w, r, http.StatusOK, content)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	app.render(w, r, "part", content)
}

func (app *libraryApp) page(w http.ResponseWriter, r *http.Request, status int, content pageContent) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	if r.Method == http.MethodPost {
		w.Header().Set("HX-Push-Url", "false") // the answer to a form must not get into the history
	}
	content.PageData = middleware.DataBlock.HTML(r.Context())
	w.WriteHeader(status)
	app.render(w, r, "page.html", content)
}

func (app *libraryApp) render(w http.ResponseWriter, r *http.Request, name string, content pageContent) {
	content.Who = "no session"
	if session := app.auth.Session(r.Context()); session != nil {
		content.Who = session.User.ID
	}
	content.Kind = app.lib.kind
	content.Part = cmp.Or(content.Part, "0")
	content.Field = middleware.FormField.HTML(r.Context())
	content.Morph, content.NoHistory = app.morph, app.noHistory
	for _, f := range app.lib.styles {
		content.Styles = append(content.Styles, "/library/"+f)
	}
	for _, f := range app.lib.scripts {
		content.Scripts = append(content.Scripts, "/library/"+f)
	}
	if app.lib.app != "" {
		content.Scripts = append(content.Scripts, "/testdata/app/"+app.lib.app)
	}
	if err := templates.ExecuteTemplate(w, name, content); err != nil {
		panic(err)
	}
}

// done returns the texts that users have sent with forms.
func (app *libraryApp) done() []deed {
	app.mu.Lock()
	defer app.mu.Unlock()
	return append([]deed(nil), app.deeds...)
}

// visitor is a tab with pages of the app.
type visitor struct {
	*chrometest.Tab
	t   *testing.T
	app *libraryApp
}

// countDocuments counts the documents that the tab has had.
const countDocuments = `try { sessionStorage.documents = 1 + Number(sessionStorage.documents ?? 0) } catch {}`

// visit opens a tab on a page of the app. Each script runs first in every
// document.
func visit(t *testing.T, app *libraryApp, p *chrometest.Person, path string, scripts ...string) *visitor {
	t.Helper()
	v := &visitor{p.Tab(t, append(scripts, countDocuments)...), t, app}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("the last state of the tab:  " + v.state())
		}
	})
	v.Open(app.URL + path)
	v.Until("window.ready && document.readyState === 'complete'")
	return v
}

// signedIn opens a tab and signs in as user through the login form, which the library sends. The
// tab then shows page a.
func signedIn(t *testing.T, app *libraryApp, p *chrometest.Person, user string, scripts ...string) *visitor {
	t.Helper()
	v := visit(t, app, p, "/login", scripts...)
	v.signIn(user)
	v.on("a", user)
	return v
}

// signIn submits the login form on the tab's page.
func (v *visitor) signIn(user string) {
	v.t.Helper()
	v.Until("document.querySelector('#login')")
	v.fill("#login", "user", user)
}

// fill types a text into a form and submits it.
func (v *visitor) fill(form, field, text string) {
	v.t.Helper()
	v.Type(form+" [name="+field+"]", text)
	v.Click(form + " button")
}

// state describes what the tab shows.
func (v *visitor) state() string {
	return v.Text(`JSON.stringify({
		at: location.pathname + location.search, heading: document.querySelector("h1")?.innerText,
		who: document.querySelector("#who")?.innerText, part: document.querySelector("#part-text")?.innerText,
		store: window.session?.user.user_id, errors: window.errors, documents: sessionStorage.documents,
		kept: window.kept, text: document.body.innerText.slice(0, 300),
	})`)
}

// on waits until the tab shows the page with that heading, the page is not inert, and its markup,
// store and hidden fields belong to user.
func (v *visitor) on(heading, user string) {
	v.t.Helper()
	store := `session?.user.user_id === "` + user + `"`
	if user == "no session" {
		store = `session === null`
	}
	v.Until(`window.ready && document.readyState === "complete" && !document.documentElement.inert && ` + v.app.lib.idle() + ` &&
		document.querySelector("h1")?.innerText === "` + heading + `" &&
		document.querySelector("#who").innerText === "` + user + `" && ` + store + ` && ` + fieldsFollow)
}

// anotherSecond is true when an access token made now would differ: its time of issue is in whole
// seconds.
const anotherSecond = "Date.now() / 1000 > 1 + JSON.parse(atob(session.access_token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))).iat"

// fieldsFollow is true when the hidden fields have the value that belongs to the store. In hardened
// mode a field has the id of the page's session, also after its end, which the server checks.
const fieldsFollow = `[...document.querySelectorAll("[name=_lucia]")].every((f) =>
	f.value === (session?.access_token ?? "") || /^[\w-]{22}$/.test(f.value))`

// mark marks the document for kept.
func (v *visitor) mark() { v.Eval("void (window.kept = true)", nil) }

// kept asserts that the tab has the document that was marked.
func (v *visitor) kept() {
	v.t.Helper()
	var kept bool
	if v.Eval("!!window.kept", &kept); !kept {
		v.t.Error("the page was loaded again")
	}
}

// documents returns how many documents the tab has had.
func (v *visitor) documents() int {
	v.t.Helper()
	var n int
	v.Eval("Number(sessionStorage.documents)", &n)
	return n
}
