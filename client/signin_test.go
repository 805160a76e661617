package client_test

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/session"
)

func dev(c *lucia.Config[profile])      { c.Dev = true }
func hardened(c *lucia.Config[profile]) { c.Hardened = true }

func TestSignInThroughTheLoginForm(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][]func(*lucia.Config[profile]){
		"default":       nil,
		"dev mode":      {dev},
		"hardened":      {hardened},
		"cookie prefix": {func(c *lucia.Config[profile]) { c.CookiePrefix = "shop_" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, change...)
			c := w.newClient(t, func(cfg *client.Config) { cfg.CookiePrefix = w.Config.CookiePrefix })
			s, err := c.SignIn(t.Context(), "/login", ada)
			if err != nil {
				t.Fatal(err)
			}
			if s.User.ID != "u1" || s.User.Data.Username != "ada" || s != c.GetSession().Get() {
				t.Errorf("signed in as %+v", s.User)
			}
			if w.Config.Hardened != (s.AccessToken == "") {
				t.Error("tokens do not fit the mode")
			}
			if left := time.Until(s.ExpiresAt); left < 14*time.Minute || left > 15*time.Minute {
				t.Errorf("access token expires in %v", left)
			}
			checkMe(t, c, "u1")
			if err := c.SignOut(t.Context()); err != nil {
				t.Error(err)
			}
			checkSignedOut(t, c)
		})
	}
}

// checkMe checks that the app treats the client as the user.
func checkMe(t *testing.T, c *client.Client[profile], userID string) {
	t.Helper()
	resp, err := c.HTTPClient().Get(baseURL + "/api/me")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(data), `"user_id":"`+userID+`"`) {
		t.Errorf("GET /api/me: %d %s, want user %s", resp.StatusCode, data, userID)
	}
}

// checkSignedOut checks that the client and the app have no session.
func checkSignedOut(t *testing.T, c *client.Client[profile]) {
	t.Helper()
	if c.GetSession().Get() != nil {
		t.Error("the store is not empty")
	}
	resp, err := c.HTTPClient().Get(baseURL + "/api/me")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("GET /api/me: %d, want 401", resp.StatusCode)
	}
}

func TestSignInRefused(t *testing.T) {
	t.Parallel()
	wrong := url.Values{"username": {"u1"}, "password": {"guess"}}
	unknownUser := url.Values{"username": {"unknown"}, "password": {"secret"}}
	cut := errors.New("cut")
	for name, c := range map[string]struct {
		path   string
		fields url.Values
		broken error
		down   bool
		code   session.Code
		status int
	}{
		"wrong password":     {path: "/login", fields: wrong, code: session.CodeUnauthorized, status: 401},
		"no such user":       {path: "/login", fields: unknownUser, code: session.CodeInvalidUserID, status: 400},
		"no such page":       {path: "/nowhere", fields: ada, code: session.CodeUnknown, status: 404},
		"not a login":        {path: "/whoami", fields: ada, code: session.CodeUnknown, status: 405},
		"no session begun":   {path: "/api/nothing", fields: ada, code: session.CodeUnauthorized, status: 200},
		"no network":         {path: "/login", fields: ada, broken: cut, code: session.CodeUnknown},
		"store down":         {path: "/login", fields: ada, down: true, code: session.CodeDatabaseUpdateFailed, status: 503},
		"another origin":     {path: "https://evil.example/login", fields: ada, code: session.CodeUnknown},
		"form elsewhere":     {path: "/phish", fields: ada, code: session.CodeUnknown},
		"redirect elsewhere": {path: "/bounce", fields: ada, code: session.CodeUnknown},
		"endless redirect":   {path: "/loop", fields: ada, code: session.CodeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.handler = luciatest.Transport(withPhishingPages(t, w.app))
			cl := w.signedIn(t)
			before := cl.GetSession().Get()
			if c.broken != nil {
				w.breakNetwork(c.broken)
			}
			if c.down {
				w.Store.Down()
			}
			_, err := cl.SignIn(t.Context(), c.path, c.fields)
			e, ok := errors.AsType[*client.Error](err)
			if !ok || e.Code != c.code || e.Status != c.status || c.broken != nil && !errors.Is(err, c.broken) {
				t.Errorf("%v, want %s with status %d", err, c.code, c.status)
			}
			if cl.GetSession().Get() != before {
				t.Error("a failed sign-in changed the session")
			}
			w.breakNetwork(nil)
			checkMe(t, cl, "u1")
		})
	}
}

// The login page has several buttons.
func TestSignInPressesTheButton(t *testing.T) {
	t.Parallel()
	const ordinary = `<button name="do" value="enter">Sign in</button><button name="do" value="remember" formaction="/remember">Stay</button>`
	for name, c := range map[string]struct {
		buttons string
		button  []string
		want    string
	}{
		"the first one": {ordinary, nil, "/login do=enter"},
		"another one":   {ordinary, []string{"remember"}, "/remember do=remember"},
		// Unless the fields name a button, the password goes only to the form's own action.
		"not the first one's action": {`<button formaction="/forgot">Forgot?</button>`, nil, "/login do="},
		"not the first one's method": {`<button formmethod="get" formaction="/help">Help</button>`, nil, "/login do="},
		"not a dialog's":             {`<button formmethod="dialog">Close</button>`, nil, "/login do="},
		"an image":                   {`<input type="image" alt="Sign in"><button formaction="/forgot">Forgot?</button>`, nil, "/login do="},
		"a disabled one":             {`<button disabled>Wait</button><button name="do" value="delete" formaction="/delete">Delete</button>`, nil, "/login do="},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			got := ""
			mux := http.NewServeMux()
			mux.HandleFunc("GET /many", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				io.WriteString(w, `<form method="post" action="/login" enctype="multipart/form-data"><input name="username"><input name="password">`+c.buttons+`</form>`)
			})
			mux.HandleFunc("POST /", func(rw http.ResponseWriter, r *http.Request) {
				if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(kind, "multipart/form-data;") {
					t.Errorf("sent as %s", kind)
				}
				got = r.URL.Path + " do=" + r.PostFormValue("do")
				login(w.Auth, rw, r, "/profile")
			})
			mux.Handle("/", w.app)
			w.handler = luciatest.Transport(mux)
			fields := maps.Clone(url.Values(ada))
			if c.button != nil {
				fields["do"] = c.button
			}
			if s, err := w.newClient(t).SignIn(t.Context(), "/many", fields); err != nil || s.User.ID != "u1" {
				t.Errorf("%v, %v", s, err)
			}
			if got != c.want {
				t.Errorf("posted to %s, want %s", got, c.want)
			}
		})
	}
}

// withPhishingPages adds login pages that lead to other origins. It fails the test if a request
// goes there.
func withPhishingPages(t *testing.T, app http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("evil.example/", func(http.ResponseWriter, *http.Request) { t.Error("a request left the origin") })
	mux.HandleFunc("GET /phish", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<form method="post" action="https://evil.example/"><input name="username"><input name="password"></form>`)
	})
	mux.Handle("/bounce", http.RedirectHandler("https://evil.example/", http.StatusTemporaryRedirect))
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusSeeOther))
	mux.HandleFunc("POST /api/nothing", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/", app)
	return mux
}

func TestSecureCookiesAreRefusedOverHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t) // not in dev mode
	c := w.newClient(t, func(cfg *client.Config) { cfg.BaseURL = "http://app.example" })
	_, err := c.SignIn(t.Context(), "/login", ada)
	if !errors.Is(err, session.CodeUnauthorized) || !strings.Contains(err.Error(), "not https") {
		t.Errorf("%v, want an error that names the cause", err)
	}
}

func TestFetchSessionAfterAnotherSignIn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][]func(*lucia.Config[profile]){"default": nil, "hardened": {hardened}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, change...)
			c := w.newClient(t)
			if _, err := c.FetchSession(t.Context()); !errors.Is(err, session.CodeNotAuthenticated) {
				t.Errorf("signed out: %v", err)
			}
			post(t, c, "/api/login", ada)
			s, err := c.FetchSession(t.Context())
			if err != nil || s.User.ID != "u1" {
				t.Fatalf("fetched %v, %v", s, err)
			}
			checkMe(t, c, "u1")

			// As another user: the tokens of the old session are not mixed with the cookies of the
			// new one.
			post(t, c, "/api/login", url.Values{"username": {"u2"}, "password": {"secret"}})
			if c.GetSession().Get() != nil {
				t.Error("the store still has the old session")
			}
			if s, err := c.FetchSession(t.Context()); err != nil || s.User.ID != "u2" {
				t.Fatalf("fetched %v, %v", s, err)
			}
			checkMe(t, c, "u2")
		})
	}
}

// If the page after the login has no page data or is not a page, the session comes from the
// session route.
func TestSignInWithoutPageData(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][]func(*lucia.Config[profile]){"default": nil, "hardened": {hardened}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, change...)
			c := w.newClient(t)
			s, err := c.SignIn(t.Context(), "/api/login", ada)
			if err != nil || s.User.ID != "u1" {
				t.Fatalf("%v, %v", s, err)
			}
			if _, err := c.RefreshTokens(t.Context(), ""); err != nil {
				t.Errorf("refresh: %v", err)
			}
			checkMe(t, c, "u1")
		})
	}
}

// The login succeeds, but the next page is broken.
func TestSignInWithABrokenNextPage(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]func(*world){
		"not found": func(w *world) {
			app := w.handler
			w.handler = roundTripper(func(req *http.Request) (*http.Response, error) {
				if req.URL.Path == "/profile" {
					req.URL.Path = "/nowhere"
				}
				return app.RoundTrip(req)
			})
		},
		"lost": func(w *world) {
			w.onAnswer(func(req *http.Request) error {
				if req.URL.Path == "/profile" {
					return errors.New("lost")
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			broken(w)
			c := w.newClient(t)
			if s, err := c.SignIn(t.Context(), "/login", ada); err != nil || s.User.ID != "u1" {
				t.Errorf("%v, %v", s, err)
			}
			checkMe(t, c, "u1")
		})
	}
}

func TestFetchSessionErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.signedIn(t)
		before := c.GetSession().Get()
		w.PassAccessTTL()
		w.Store.Down()
		if _, err := c.FetchSession(t.Context()); !errors.Is(err, session.CodeDatabaseFetchFailed) {
			t.Errorf("store down: %v", err)
		}
		w.breakNetwork(errors.New("cut"))
		if _, err := c.FetchSession(t.Context()); !errors.Is(err, session.CodeUnknown) {
			t.Errorf("no network: %v", err)
		}
		if c.GetSession().Get() != before {
			t.Error("the outage changed the session")
		}
		w.Store.Up()
		w.breakNetwork(nil)
		if s, err := c.FetchSession(t.Context()); err != nil || s == before {
			t.Errorf("after the outage: %v, %v", s, err)
		}
		checkMe(t, c, "u1")
	})
}

func post(t *testing.T, c *client.Client[profile], path string, form url.Values) {
	t.Helper()
	resp, err := c.HTTPClient().PostForm(baseURL+path, form)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode >= 400 {
		t.Fatalf("POST %s: %d", path, resp.StatusCode)
	}
}

func TestFetchSessionSeesNewUserData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.signedIn(t)
	w.SetUser("u1", profile{"ada lovelace"})
	if _, err := c.RefreshTokens(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	s, err := c.FetchSession(t.Context())
	if err != nil || s.User.Data.Username != "ada lovelace" || s.RefreshToken == "" {
		t.Errorf("%v, %v", s, err)
	}
	if err := w.Auth.RevokeUser(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	if s, err := c.FetchSession(t.Context()); !errors.Is(err, session.CodeUnauthorized) || s != nil {
		t.Errorf("revoked: %v, %v", s, err)
	}
}

func TestCookiesOfTheLibraryStayOutOfTheAppsJar(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	jar, _ := cookiejar.New(nil)
	c := w.signedIn(t, func(cfg *client.Config) { cfg.Jar = jar })
	checkMe(t, c, "u1")
	u, _ := url.Parse(baseURL)
	if got := jar.Cookies(u); len(got) != 1 || got[0].Name != "csrf" {
		t.Errorf("the app's jar has %v, want its own cookie csrf only", got)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]client.Config{
		"no BaseURL":            {},
		"other scheme":          {BaseURL: "ftp://app.example"},
		"no host":               {BaseURL: "https://"},
		"path":                  {BaseURL: "https://app.example/app"},
		"query":                 {BaseURL: "https://app.example?x"},
		"user info":             {BaseURL: "https://u:p@app.example"},
		"BasePath not absolute": {BaseURL: baseURL, BasePath: "api/auth"},
		"BasePath with slash":   {BaseURL: baseURL, BasePath: "/api/auth/"},
		"Timeout":               {BaseURL: baseURL, Timeout: -1},
	} {
		if _, err := client.New[profile](t.Context(), cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, ok := range []string{"https://app.example", "https://app.example/", "http://127.0.0.1:8080", "http://[::1]:80", "https://APP.example:443"} {
		if _, err := client.New[profile](t.Context(), client.Config{BaseURL: ok}); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
}

// The program's jar may contain the library's cookies, for instance those of a browser's profile.
// They are not mixed with the client's own.
func TestCookiesOfTheLibraryInTheAppsJarAreNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	jar, _ := cookiejar.New(nil)
	u, _ := url.Parse(baseURL)
	jar.SetCookies(u, w.Cookies("u2"))
	c := w.signedIn(t, func(cfg *client.Config) { cfg.Jar = jar })
	w.onRequest(func(r *http.Request) error {
		seen := map[string]bool{}
		for _, cookie := range r.Cookies() {
			if seen[cookie.Name] {
				t.Errorf("%s has two cookies named %s", r.URL.Path, cookie.Name)
			}
			seen[cookie.Name] = true
		}
		return nil
	})
	if _, err := c.RefreshTokens(t.Context(), ""); err != nil {
		t.Errorf("refresh: %v", err)
	}
	checkMe(t, c, "u1")
	if s, err := c.FetchSession(t.Context()); err != nil || s.User.ID != "u1" {
		t.Errorf("fetch: %v, %v", s, err)
	}
}

func TestCookiesOfOtherHostsAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.newClient(t)
	web := c.HTTPClient()
	web.Transport.(*client.Transport[profile]).Base = roundTripper(func(req *http.Request) (*http.Response, error) {
		h := http.Header{"Set-Cookie": {"access_token=theirs; Path=/", "sid=theirs; Path=/"}}
		return &http.Response{StatusCode: 200, Header: h, Body: http.NoBody, Request: req}, nil
	})
	for host, want := range map[string]int{"https://other.example/": 2, "https://app.example:8443/": 1} {
		resp, err := web.Get(host)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := web.Jar.Cookies(resp.Request.URL); len(got) != want {
			t.Errorf("%s: cookies %v removeFailed, want %d", host, got, want)
		}
	}
}

// As in a browser, an expired cookie is not sent.
func TestExpiredCookiesAreNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.signedIn(t)
		time.Sleep(401 * 24 * time.Hour) // browsers keep none for longer than 400 days
		w.onRequest(func(r *http.Request) error {
			if strings.Contains(r.Header.Get("Cookie"), "_token=") {
				t.Errorf("%s has the cookies %v", r.URL.Path, r.Cookies())
			}
			return nil
		})
		if _, err := c.RefreshTokens(t.Context(), ""); !errors.Is(err, session.CodeUnauthorized) {
			t.Errorf("refresh: %v", err)
		}
	})
}

// With cookies alone, the server may renew another session. The client refuses its answer.
func TestAnswerOfAnotherSessionIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, other := w.signedIn(t), w.signedIn(t)
	c.GetSession().Update(func(s *session.Session[profile]) *session.Session[profile] {
		bare := *s
		bare.AccessToken, bare.RefreshToken = "", ""
		return &bare
	})
	before, theirs := c.GetSession().Get(), other.GetSession().Get()
	w.handler = roundTripper(func(req *http.Request) (*http.Response, error) {
		body := `{"access_token":"` + string(theirs.AccessToken) + `","refresh_token":"` + string(theirs.RefreshToken) + `","expires_in":900}`
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: newBody(body), Request: req}, nil
	})
	_, err := c.RefreshTokens(t.Context(), "")
	if !errors.Is(err, session.CodeUnknown) || c.GetSession().Get() != before {
		t.Errorf("%v, session %v", err, c.GetSession().Get())
	}
}
