package luciatest_test

import (
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"
	echov5 "github.com/labstack/echo/v5"

	luciaecho "github.com/lucia-go/lucia/adapters/echo"
	luciaechov5 "github.com/lucia-go/lucia/adapters/echov5"
	luciagin "github.com/lucia-go/lucia/adapters/gin"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

type auth = *middleware.Auth[profile]

// frameworks are the same small app on each framework: POST /login, GET /profile.
var frameworks = map[string]func(auth) http.Handler{
	"net/http": func(a auth) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Write([]byte(loginForm))
		})
		mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
			if _, err := a.SignIn(w, r, r.PostFormValue("username")); err != nil {
				middleware.WriteError(w, err)
				return
			}
			http.Redirect(w, r, "/profile", http.StatusSeeOther)
		})
		mux.Handle("GET /profile", a.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Write([]byte(profilePage(r, a.Session(r.Context()))))
		})))
		return nethttp.Wrap(a, mux)
	},
	"echo": func(a auth) http.Handler {
		e := echo.New()
		e.Use(luciaecho.Middleware(a))
		e.GET("/login", func(c echo.Context) error { return c.HTML(http.StatusOK, loginForm) })
		e.POST("/login", func(c echo.Context) error {
			if _, err := a.SignIn(c.Response(), c.Request(), c.FormValue("username")); err != nil {
				return luciaecho.Error(c, err)
			}
			return c.Redirect(http.StatusSeeOther, "/profile")
		})
		e.GET("/profile", func(c echo.Context) error {
			return c.HTML(http.StatusOK, profilePage(c.Request(), luciaecho.Session(c, a)))
		}, luciaecho.Require(a))
		return e
	},
	"echo v5": func(a auth) http.Handler {
		e := echov5.New()
		e.Use(luciaechov5.Middleware(a))
		e.GET("/login", func(c *echov5.Context) error { return c.HTML(http.StatusOK, loginForm) })
		e.POST("/login", func(c *echov5.Context) error {
			if _, err := a.SignIn(c.Response(), c.Request(), c.FormValue("username")); err != nil {
				return luciaechov5.Error(c, err)
			}
			return c.Redirect(http.StatusSeeOther, "/profile")
		})
		e.GET("/profile", func(c *echov5.Context) error {
			return c.HTML(http.StatusOK, profilePage(c.Request(), luciaechov5.Session(c, a)))
		}, luciaechov5.Require(a))
		return e
	},
	"gin": func(a auth) http.Handler {
		r := gin.New()
		r.Use(luciagin.Middleware(a))
		r.GET("/login", func(c *gin.Context) { c.Data(http.StatusOK, "text/html", []byte(loginForm)) })
		r.POST("/login", func(c *gin.Context) {
			if _, err := a.SignIn(c.Writer, c.Request, c.PostForm("username")); err != nil {
				middleware.WriteError(c.Writer, err)
				return
			}
			c.Redirect(http.StatusSeeOther, "/profile")
		})
		r.GET("/profile", luciagin.Require(a), func(c *gin.Context) {
			c.Data(http.StatusOK, "text/html", []byte(profilePage(c.Request, luciagin.Session(c, a))))
		})
		return r
	},
}

const loginForm = `<!doctype html><form method="post"><input name="username"></form>`

func profilePage(r *http.Request, s *session.Session[profile]) string {
	return "<!doctype html><h1>" + html.EscapeString(s.User.Data.Username) + "</h1>" +
		string(middleware.PageData.HTML(r.Context()))
}

func TestEveryFramework(t *testing.T) {
	t.Parallel()
	for name, newApp := range frameworks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { walk(t, newApp) })
		})
	}
}

// requests calls the handler directly and through an http.Client of the test.
func requests(t *testing.T, kit *luciatest.Kit[profile], app http.Handler) {
	t.Helper()
	for name, r := range map[string]*http.Request{
		"Request":       kit.Request("u2", "GET", "/profile", nil),
		"BearerRequest": kit.BearerRequest("u2", "GET", "/profile", nil),
	} {
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		if bearer := name == "BearerRequest"; bearer && len(r.Cookies()) != 1 {
			t.Errorf("%s has the cookies %v, want only the fingerprint cookie", name, r.Cookies())
		} else if !bearer && (w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "<h1>bob</h1>")) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	web := &http.Client{Transport: luciatest.Transport(app), Jar: kit.Jar("u2")}
	resp, err := web.Get("https://app.example/profile")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Request.URL.Path != "/profile" {
		t.Errorf("Jar: %d at %s", resp.StatusCode, resp.Request.URL)
	}
}

// tabs does what the browser module does, until the session ends.
func tabs(t *testing.T, kit *luciatest.Kit[profile], app http.Handler) {
	t.Helper()
	browser := kit.SignIn(luciatest.NewBrowser(t, app), "u2")
	a, b := browser.TwoTabs("/profile")
	if a == b {
		t.Fatal("TwoTabs opened one tab")
	}
	b.Get("/login")
	if a.Page().URL.Path != "/profile" || b.Page().URL.Path != "/login" {
		t.Errorf("the tabs show %s and %s", a.Page().URL, b.Page().URL)
	}
	if page := a.Fetch("GET", "/profile", nil); page.Status != http.StatusOK {
		t.Errorf("Fetch: %d", page.Status)
	}
	if err := a.SignOut(); err != nil || a.SignedIn() {
		t.Errorf("SignOut: %v", err)
	}
	if page := b.Get("/profile"); page.URL.Path != "/login" {
		t.Errorf("after the sign-out the tab shows %s", page.URL)
	}
	other := kit.SignIn(luciatest.NewBrowser(t, app), "u2").Open("/profile")
	kit.PassRefreshTTL()
	if page := other.Get("/profile"); page.URL.Path != "/login" {
		t.Errorf("after a year the tab shows %s", page.URL)
	}
}

// walk uses every feature of the kit once.
func walk(t *testing.T, newApp func(auth) http.Handler) {
	kit := luciatest.New(t, users)
	app := newApp(kit.Auth)
	browser := luciatest.NewBrowser(t, app)
	tab := browser.Open("/profile")
	if tab.Page().URL.Path != "/login" {
		t.Fatalf("a signed-out visitor gets %s", tab.Page().URL)
	}
	at := func(path string) {
		t.Helper()
		page := tab.Get("/profile")
		if page.URL.Path != path || path == "/profile" && !strings.Contains(page.Body, "<h1>ada</h1>") {
			t.Fatalf("the tab shows %s with status %d, want %s", page.URL, page.Status, path)
		}
	}
	tab.Submit(url.Values{"username": {"u1"}})
	at("/profile")
	kit.NoStoreCall(func() { at("/profile") })
	kit.PassAccessTTL()
	browser.LoseNextResponse()
	tab.Get("/profile")
	at("/profile")
	up := kit.StoreDown()
	kit.PassAccessTTL()
	if page := tab.Get("/profile"); page.Status != http.StatusServiceUnavailable {
		t.Fatalf("store down: %d", page.Status)
	}
	up()
	at("/profile")
	thief := tab.Steal()
	for range 3 {
		kit.PassAccessTTL()
		at("/profile")
		time.Sleep(2 * time.Minute)
		at("/profile")
		synctest.Wait()
	}
	if err := thief.Refresh(); !errors.Is(err, session.CodeUnauthorized) {
		t.Errorf("thief: %v", err)
	}
	kit.PassAccessTTL()
	at("/login")
	requests(t, kit, app)
	tabs(t, kit, app)
}
