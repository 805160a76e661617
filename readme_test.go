package lucia_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia"
	luciaecho "github.com/lucia-go/lucia/adapters/echo"
	luciagin "github.com/lucia-go/lucia/adapters/gin"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/sqlstore"
)

// This is the code of the README and of docs/frameworks.md, so that it is compiled.
// TestDocumentedCodeCompiles compares them.

type Profile struct {
	Username string `json:"username"`
}

type profile = Profile

const userID = "u1"

func readmeNetHTTP(auth *lucia.Auth[Profile], mux *http.ServeMux, profile http.HandlerFunc) http.Handler {
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		// … check the password …
		if _, err := auth.SignIn(w, r, userID); err != nil {
			lucia.Error(w, r, err)
			return
		}
		http.Redirect(w, r, lucia.ReturnPath(r, "/profile"), http.StatusSeeOther)
	})
	mux.Handle("GET /profile", auth.Require(http.HandlerFunc(profile))) // auth.Session(r.Context()) inside
	app := nethttp.Wrap(auth, mux)
	return app
}

func readmeEcho(auth *lucia.Auth[Profile], e *echo.Echo, profile echo.HandlerFunc) {
	e.Use(luciaecho.Middleware(auth))
	e.POST("/login", func(c echo.Context) error {
		// … check the password …
		if _, err := auth.SignIn(c.Response(), c.Request(), userID); err != nil {
			return luciaecho.Error(c, err)
		}
		return c.Redirect(http.StatusSeeOther, lucia.ReturnPath(c.Request(), "/profile"))
	})
	e.GET("/profile", profile, luciaecho.Require(auth)) // luciaecho.Session(c, auth) inside
}

func readmeGin(auth *lucia.Auth[Profile], g *gin.Engine, profile gin.HandlerFunc) {
	g.Use(luciagin.Middleware(auth))
	g.POST("/login", func(c *gin.Context) {
		// … check the password …
		if _, err := auth.SignIn(c.Writer, c.Request, userID); err != nil {
			luciagin.Error(c, err)
			return
		}
		c.Redirect(http.StatusSeeOther, lucia.ReturnPath(c.Request, "/profile"))
	})
	g.GET("/profile", luciagin.Require(auth), profile) // luciagin.Session(c, auth) inside
}

func readmeInShort(auth *lucia.Auth[Profile], e *echo.Echo, profile echo.HandlerFunc, g *gin.Engine, show gin.HandlerFunc) {
	e.Use(luciaecho.Middleware(auth))
	e.GET("/profile", profile, luciaecho.Require(auth)) // luciaecho.Session(c, auth) inside

	g.Use(luciagin.Middleware(auth))                // before the routes
	g.GET("/profile", luciagin.Require(auth), show) // luciagin.Session(c, auth) inside
}

func sessionsRecent(auth *lucia.Auth[Profile], mux *http.ServeMux, closePage, closeAccount http.HandlerFunc) {
	mux.Handle("GET /account/close", auth.RequireRecent(10*time.Minute)(closePage))
	mux.Handle("POST /account/close", auth.RequireRecent(20*time.Minute)(closeAccount))
}

type app struct {
	auth           *lucia.Auth[Profile]
	checkPassword  func(ctx context.Context, userID, password string) error
	showStepUpPage func(w http.ResponseWriter, r *http.Request, err error)
}

func (a *app) confirm(w http.ResponseWriter, r *http.Request) {
	s := a.auth.Session(r.Context()) // the page is behind auth.Require
	if err := a.checkPassword(r.Context(), s.User.ID, r.PostFormValue("password")); err != nil {
		a.showStepUpPage(w, r, err)
		return
	}
	if _, err := a.auth.StepUp(w, r); err != nil {
		lucia.Error(w, r, err)
		return
	}
	http.Redirect(w, r, lucia.ReturnPath(r, "/"), http.StatusSeeOther)
}

func readmeRedis() error {
	opts, err := redisstore.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		return err
	}
	store := redisstore.New(redis.NewUniversalClient(opts))
	_ = store
	return nil
}

func readmeSQL(ctx context.Context) error {
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(16) // PostgreSQL; the sum over all processes stays below max_connections
	db.SetMaxIdleConns(16) // otherwise connections are opened and closed all the time

	store := sqlstore.New(db, sqlstore.Postgres) // or sqlstore.SQLite
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	return db.Close()
}

func readmeClient(ctx context.Context, path string) (*client.Client[profile], error) {
	c, err := client.New[profile](ctx, client.Config{
		BaseURL:    "https://app.example",
		TokenStore: client.NewFileStore(path), // stay signed in between runs
	})
	return c, err
}

// sessionsStepUp runs the code of docs/sessions.md with a session that is too old, a wrong password
// and a right one.
func sessionsStepUp(t *testing.T, auth *lucia.Auth[Profile]) {
	t.Helper()
	mux := http.NewServeMux()
	handled := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	sessionsRecent(auth, mux, handled, handled)
	a := &app{auth: auth,
		checkPassword: func(_ context.Context, _, password string) error {
			if password != "right" {
				return errors.New("wrong")
			}
			return nil
		},
		showStepUpPage: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusUnauthorized) },
	}
	mux.Handle("POST /again", auth.Require(http.HandlerFunc(a.confirm)))
	w := httptest.NewRecorder()
	if _, err := auth.SignIn(w, httptest.NewRequest("POST", "/", nil), userID); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		target string
		status int
	}{
		{"/account/close", http.StatusNoContent},
		{"/again?password=wrong", http.StatusUnauthorized},
		{"/again?next=/account/close&password=right", http.StatusSeeOther},
	} {
		path, query, _ := strings.Cut(c.target, "?")
		r := httptest.NewRequest("POST", path, strings.NewReader(query))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, cookie := range w.Result().Cookies() {
			r.AddCookie(cookie)
		}
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, r)
		if answer.Code != c.status {
			t.Errorf("%s: %d, want %d", c.target, answer.Code, c.status)
		}
		if back := answer.Header().Get("Location"); c.status == http.StatusSeeOther && back != "/account/close" {
			t.Errorf("back to %q", back)
		}
	}
}

// TestReadmeCodeRuns runs each function above as far as possible without a network.
func TestReadmeCodeRuns(t *testing.T) {
	t.Setenv("REDIS_URL", "redis://127.0.0.1:6379")
	t.Setenv("DATABASE_URL", "postgres://127.0.0.1:1/app") // where nothing listens
	auth, err := lucia.New(lucia.Config[Profile]{
		Secret:   []byte(strings.Repeat("s", 32)),
		Store:    memstore.New(),
		LoadUser: func(context.Context, string) (Profile, error) { return Profile{}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	name := func(ctx context.Context) string { return "Profile of " + auth.Session(ctx).User.ID }
	signsIn(t, "net/http", readmeNetHTTP(auth, http.NewServeMux(), func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(name(r.Context())))
	}))
	e := echo.New()
	readmeEcho(auth, e, func(c echo.Context) error { return c.String(http.StatusOK, name(c.Request().Context())) })
	signsIn(t, "echo", e)
	gin.SetMode(gin.TestMode)
	routes := gin.New()
	readmeGin(auth, routes, func(c *gin.Context) { c.String(http.StatusOK, name(c.Request.Context())) })
	signsIn(t, "gin", routes)
	readmeInShort(auth, echo.New(), func(echo.Context) error { return nil }, gin.New(), func(*gin.Context) {})
	sessionsStepUp(t, auth)
	if err := readmeRedis(); err != nil {
		t.Error(err)
	}
	if err := readmeSQL(t.Context()); err == nil || !strings.Contains(err.Error(), "no connection") {
		t.Errorf("without a database: %v", err)
	}
	if _, err := readmeClient(t.Context(), filepath.Join(t.TempDir(), "session")); err != nil {
		t.Error(err)
	}
}

// signsIn requests the two routes of an app as a browser does: the profile is refused to a visitor,
// POST /login leads to it and begins a session, and the profile is shown.
func signsIn(t *testing.T, name string, app http.Handler) {
	t.Helper()
	browser := http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}
	var cookies []*http.Cookie
	for _, step := range []struct {
		method, path   string
		status         int
		location, body string
	}{
		{"GET", "/profile", http.StatusSeeOther, "/login", ""},
		{"POST", "/login", http.StatusSeeOther, "/profile", ""},
		{"GET", "/profile", http.StatusOK, "", "Profile of " + userID},
	} {
		r := httptest.NewRequest(step.method, "https://app.example"+step.path, nil)
		r.Header = browser.Clone()
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		cookies = append(cookies, w.Result().Cookies()...)
		to, _, _ := strings.Cut(w.Header().Get("Location"), "?")
		if w.Code != step.status || to != step.location || step.body != "" && w.Body.String() != step.body {
			t.Errorf("%s: %s %s: %d to %q, %q, want %d to %q, %q", name, step.method, step.path, w.Code, to, w.Body, step.status, step.location, step.body)
		}
	}
}

// TestReadmeIsShort keeps the README short enough for a newcomer to read.
func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	if n := strings.Count(string(read(t, "README.md")), "\n"); n > 150 {
		t.Errorf("the README has %d lines, want at most 150", n)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func lines(t *testing.T, name string) string {
	t.Helper()
	return trimmed(string(read(t, name)))
}

// trimmed returns the lines of code without their indentation.
func trimmed(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}
