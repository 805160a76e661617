package browser_test

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/internal/browser"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

//go:embed testdata/site
var siteFiles embed.FS

// policy is a strict policy: no inline scripts, no code from text.
const policy = "default-src 'self'; script-src 'self'; style-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"

// minGeneration is the parameter that makes /api/me refuse valid tokens of older generations.
const minGeneration = "generation"

// profile is the site's data of a user.
type profile struct {
	Name string `json:"name"`
}

// site is a small app with this library. Its store can fail and counts its decisions.
type site struct {
	*httptest.Server
	auth  *middleware.Auth[profile]
	store *countingStore

	refreshes atomic.Int64 // requests to the refresh route
	lookups   atomic.Int64 // requests to the session route
	active    atomic.Value // string: the last report of activity to the refresh route
	ahead     chan bool    // receives when a page was requested ahead of time
	orders    atomic.Int64 // orders placed by form
	names     atomic.Int64 // changes of each user's name
	// refresh, if set, is called in place of the refresh route.
	refresh atomic.Pointer[func(w http.ResponseWriter, r *http.Request, route http.Handler)]
}

// grace is how long a request of these tests may take, which on a busy machine is long. A
// generation gets a successor at the earliest twice that long after its first use.
const grace = 3 * time.Second

// newSite starts a site whose access tokens live for ttl. Settle is minimal, because these tests
// cannot wait for disks, unless change sets it.
func newSite(t *testing.T, ttl time.Duration, change ...func(*middleware.Config[profile])) *site {
	t.Helper()
	return newSiteOf(t, ttl, (*site).pages, change...)
}

// newSiteOf starts a site with the given pages.
func newSiteOf(t *testing.T, ttl time.Duration, pages func(*site) http.Handler, change ...func(*middleware.Config[profile])) *site {
	t.Helper()
	s := &site{store: &countingStore{Store: memstore.New()}, ahead: make(chan bool, 1)}
	config := middleware.Config[profile]{
		Secret: []byte("a secret of thirty-two bytes....."),
		Store:  s.store,
		LoadUser: func(_ context.Context, id string) (profile, error) {
			return profile{"Zoë ~>? " + id + strings.Repeat("!", int(s.names.Load()))}, nil
		},
		AccessTTL: ttl,
		Grace:     grace,
		Settle:    -1,
		Dev:       true,
		Logger:    slog.New(slog.DiscardHandler),
		OnEvent: func(e session.Event) {
			if e.Kind == session.EventReuse {
				t.Errorf("the reuse of an honest browser was reported: %+v", e)
			}
		},
	}
	for _, c := range change {
		c(&config)
	}
	auth, err := middleware.New(config)
	if err != nil {
		t.Fatal(err)
	}
	s.auth = auth
	s.Server = httptest.NewServer(s.front(nethttp.Wrap(auth, pages(s))))
	t.Cleanup(s.Close)
	return s
}

func hardened(c *middleware.Config[profile]) { c.Hardened = true }

// front counts requests, and lets a test replace the refresh route.
func (s *site) front(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.noteAhead(r)
		switch r.URL.Path {
		case "/api/auth/session":
			s.lookups.Add(1)
		case "/api/auth/refresh":
			s.refreshes.Add(1)
			s.active.Store(r.Header.Get(wire.HeaderActive))
			if refresh := s.refresh.Load(); refresh != nil {
				(*refresh)(w, r, next)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// pages returns the site's own pages.
func (s *site) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page("app.js"))
	mux.HandleFunc("GET /quiet", s.page("quiet.js"))
	mux.HandleFunc("GET /auto", s.page(""))
	mux.HandleFunc("GET /static", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		fmt.Fprint(w, `<!doctype html><link rel="icon" href="/testdata/site/icon.svg"><script type="module" src="/testdata/site/app.js"></script>`)
	})
	mux.HandleFunc("GET /bundled", s.page("bundled.js"))
	mux.HandleFunc("GET /bundled/lucia.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", browser.ContentType)
		_, _ = w.Write(browser.Client().Body)
	})
	mux.HandleFunc("GET /login/{user}", func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.auth.SignIn(w, r, r.PathValue("user")); err != nil {
			middleware.WriteError(w, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /plain", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><p>nothing here`)
	})
	mux.HandleFunc("GET /integrity", s.integrity)
	mux.HandleFunc("GET /api/me", s.me)
	mux.HandleFunc("GET /away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.FormValue("to"), http.StatusFound)
	})
	mux.HandleFunc("POST /form", func(w http.ResponseWriter, r *http.Request) {
		session, err := s.auth.ValidateFormSubmission(r)
		if err != nil {
			middleware.WriteError(w, err)
			return
		}
		fmt.Fprint(w, "form of "+session.User.ID)
	})
	// The answer to an order is a page.
	mux.HandleFunc("POST /order", func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.auth.ValidateFormSubmission(r); err != nil {
			middleware.WriteError(w, err)
			return
		}
		s.orders.Add(1)
		s.page("app.js")(w, r)
	})
	mux.HandleFunc("GET /order", func(w http.ResponseWriter, r *http.Request) { s.orders.Add(100) })
	mux.HandleFunc("GET /draft", s.draft)
	mux.HandleFunc("POST /save", func(w http.ResponseWriter, r *http.Request) {
		session, err := s.auth.ValidateFormSubmission(r)
		if err != nil {
			middleware.WriteError(w, err)
			return
		}
		fmt.Fprintf(w, "%s: %s", session.User.ID, r.PostFormValue("text"))
	})
	mux.HandleFunc("POST /rename", func(w http.ResponseWriter, r *http.Request) {
		s.names.Add(1)
		if err := s.auth.Reload(w, r); err != nil {
			middleware.WriteError(w, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /login/{user}", func(w http.ResponseWriter, r *http.Request) { // by script
		if _, err := s.auth.SignIn(w, r, r.PathValue("user")); err != nil {
			middleware.WriteError(w, err)
		}
	})
	mux.HandleFunc("GET /hostile", s.hostile)
	mux.HandleFunc("GET /speculate", s.speculate)
	mux.HandleFunc("GET /rules", s.rules)
	mux.HandleFunc("GET /sw.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, siteFiles, "testdata/site/sw.js")
	})
	mux.Handle("GET /testdata/site/", http.FileServerFS(siteFiles))
	return mux
}

// me answers with the user of the bearer token.
func (s *site) me(w http.ResponseWriter, r *http.Request) {
	got, err := s.auth.ValidateRequest(r)
	if want, _ := strconv.Atoi(r.FormValue(minGeneration)); err == nil && int(got.Generation) < want {
		err = session.CodeInvalidAccessToken
	}
	if err != nil {
		w.Header().Set("WWW-Authenticate", wire.ChallengeInvalid)
		middleware.WriteError(w, err)
		return
	}
	fmt.Fprint(w, got.User.ID)
}

// page serves a page with one script. With ?bfcache the page has no no-store, so that browsers may
// keep it in their back/forward cache.
func (s *site) page(script string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", policy+"; connect-src 'self' "+r.FormValue("elsewhere"))
		data := middleware.PageData
		tag := ""
		if script != "" {
			data = middleware.DataBlock
			tag = `<script type="module" src="/testdata/site/` + script + `"></script>`
		}
		who := "no session"
		if session := s.auth.Session(r.Context()); session != nil {
			who = session.User.ID
		}
		body := fmt.Sprintf(`<!doctype html><title>site</title><link rel="icon" href="/testdata/site/icon.svg">
			<p id="who">%s</p>
			<form method="post" action="/form">%s<button>send</button></form>
			<form method="post" action="/api/auth/logout" id="logout">%s</form>
			<form method="post" action="/order%s" id="order">%s</form>
			<form method="post" action="/rename" id="rename"></form>
			%s%s`, who, middleware.FormField.HTML(r.Context()), middleware.FormField.HTML(r.Context()),
			html.EscapeString("?"+r.URL.RawQuery), middleware.FormField.HTML(r.Context()), data.HTML(r.Context()), tag)
		if r.URL.Query().Has("bfcache") {
			h.Set("Cache-Control", "private, no-cache")
		}
		fmt.Fprint(w, body)
	}
}

// draft serves a page on which a person writes a long text.
func (s *site) draft(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	fmt.Fprintf(w, `<!doctype html><title>draft</title><link rel="icon" href="/testdata/site/icon.svg">
		%s<dialog><form method="post" action="/save">%s<textarea name="text"></textarea><button>save</button></form></dialog>
		%s<script type="module" src="/testdata/site/app.js"></script>`,
		strings.Repeat("<p>paragraph</p>", 200), middleware.FormField.HTML(r.Context()), middleware.DataBlock.HTML(r.Context()))
}

// hostile serves a page with injected markup before or beside the app's own. The policy blocks
// inline scripts and those of other origins.
func (s *site) hostile(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy+"; img-src data:; connect-src 'self' "+r.FormValue("elsewhere"))
	fmt.Fprintf(w, `<!doctype html><title>hostile</title><link rel="icon" href="data:,">%s
		<form method="post" action="form" id="mine">%s<button>send</button></form>
		%s<script type="module" src="http://%s/testdata/site/app.js"></script>`,
		r.FormValue("markup"), middleware.FormField.HTML(r.Context()), middleware.DataBlock.HTML(r.Context()), r.Host)
}

// integrity serves a page that loads both files under their versioned URLs with their hashes. With
// ?tampered the hashes belong to other files.
func (s *site) integrity(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	client, auto := browser.Client(), browser.Auto()
	if r.URL.Query().Has("tampered") {
		client.SRI, auto.SRI = auto.SRI, client.SRI
	}
	fmt.Fprintf(w, `<!doctype html><link rel="icon" href="/testdata/site/icon.svg">%s`, middleware.DataBlock.HTML(r.Context()))
	for _, m := range []browser.Module{client, auto} {
		fmt.Fprintf(w, `<script type="module" src="/api/auth/%s?v=%s" integrity="%s"></script>`, m.Name, m.Version, m.SRI)
	}
}

// countingStore records the outcomes of the rule, and fails on demand.
type countingStore struct {
	session.Store
	down atomic.Bool

	mu   sync.Mutex
	past []decision
}

// decision is the outcome of one presented refresh token.
type decision struct {
	outcome session.Outcome
	at      time.Time
}

var errDown = errors.New("store is down")

func (c *countingStore) Refresh(ctx context.Context, r session.RefreshParams) (session.RefreshResult, error) {
	if c.down.Load() {
		return session.RefreshResult{}, errDown
	}
	c.mu.Lock() // held during the call, so that the order is that of the decisions
	defer c.mu.Unlock()
	result, err := c.Store.Refresh(ctx, r)
	c.past = append(c.past, decision{result.Outcome, time.Now()})
	return result, err
}

func (c *countingStore) Delete(ctx context.Context, userID string, id session.ID) error {
	if c.down.Load() {
		return errDown
	}
	return c.Store.Delete(ctx, userID, id)
}

// decisions returns all of them in order.
func (c *countingStore) decisions() []decision {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.past)
}

func (c *countingStore) count(o session.Outcome) int {
	n := 0
	for _, d := range c.decisions() {
		if d.outcome == o {
			n++
		}
	}
	return n
}
