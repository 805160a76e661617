package e2e_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/luciatest"
)

// contract are the tests that every example passes with every store.
var contract = []struct {
	name string
	test func(t *testing.T, s *apptest.Server)
}{
	{"signs up", testSignsUp},
	{"signs in and returns to where it was asked from", testSignsIn},
	{"signs in with what programs send", testPlainProgram},
	{"refuses a wrong password and an unknown name alike", testWrongPassword},
	{"refuses a taken name", testTakenName},
	{"refuses invalid forms", testBadForms},
	{"refuses forms of other sites", testCrossSite},
	{"remembers a sign-in as its form asks", testRemember},
	{"lists and ends the sessions of a person", testDevices},
	{"ends no session without proof", testDevicesProof},
	{"saves the profile", testProfile},
	{"refuses a profile form without proof", testProfileProof},
	{"answers the API by bearer token and fingerprint", testAPI},
	{"refreshes", testRefresh},
	{"signs out by script", testSignOutByScript},
	{"signs out by form", testSignOutByForm},
	{"sends safe headers", testHeaders},
	{"shows text as text", testEscapes},
	{"serves files that may be cached forever", testAssets},
	{"answers unknown pages and methods with a page", testErrorPages},
}

// onEveryStore runs a test on each example, in memory, on Redis and on SQLite.
func onEveryStore(t *testing.T, test func(t *testing.T, app string, flags ...string)) {
	for _, app := range apptest.Apps {
		t.Run(app+" in memory", func(t *testing.T) {
			t.Parallel()
			test(t, app)
		})
		t.Run(app+" on Redis", func(t *testing.T) {
			t.Parallel()
			test(t, app, "-redis", testenv.Redis(t).URL(), "-secret", apptest.Secret)
		})
		t.Run(app+" on SQLite", func(t *testing.T) {
			t.Parallel()
			test(t, app, "-db", filepath.Join(t.TempDir(), "app.db"))
		})
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, app string, flags ...string) {
		s := apptest.Start(t, app, flags...)
		for _, c := range contract {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.test(t, s)
			})
		}
	})
}

func testSignsUp(t *testing.T, s *apptest.Server) {
	name := apptest.NewName()
	tab := apptest.SignUp(t, s, name)
	got := apptest.SessionOf(t, tab.Page())
	if got == nil || got.User.Username != name || got.User.ID == "" || got.AccessToken == "" || got.RefreshToken == "" {
		t.Errorf("after signing up the page has the session of %+v, want %s with both tokens", got, name)
	}
	if !strings.Contains(tab.Page().Body, "<h1>"+name+"</h1>") {
		t.Errorf("the page does not greet %s", name)
	}
	if got := apptest.SessionOf(t, tab.Get("/")); got == nil || got.User.Username != name {
		t.Errorf("the home page has the session of %+v", got)
	}
}

func testSignsIn(t *testing.T, s *apptest.Server) {
	name := apptest.NewName()
	first := apptest.SessionOf(t, apptest.SignUp(t, s, name).Page())
	tab := luciatest.NewBrowserAt(t, s.URL, nil).Open("/profile?from=here")
	apptest.WantPage(t, tab.Page(), http.StatusOK, "/login")
	if got := apptest.SessionOf(t, tab.Page()); got != nil {
		t.Errorf("a signed-out visitor has the session of %+v", got)
	}
	p := tab.Submit(apptest.Credentials(strings.ToUpper(name), apptest.Password))
	apptest.WantPage(t, p, http.StatusOK, "/profile")
	if p.URL.RawQuery != "from=here" {
		t.Errorf("signing in led to %s", p.URL)
	}
	if got := apptest.SessionOf(t, p); got.User != first.User || got.RefreshToken == first.RefreshToken {
		t.Errorf("signed in as %+v, want %+v with another session", got.User, first.User)
	}
	away := apptest.Request(t, s, "POST", "/login?next=//evil.example", apptest.Credentials(name, apptest.Password)).Want(t, http.StatusSeeOther)
	if to := away.Header.Get("Location"); to != "/profile" {
		t.Errorf("signing in led to %s", to)
	}
}

// Programs send neither Accept nor Origin.
func testPlainProgram(t *testing.T, s *apptest.Server) {
	name := apptest.NewName()
	in := apptest.Request(t, s, "POST", "/signup", apptest.Credentials(name, apptest.Password)).Want(t, http.StatusSeeOther)
	if to := in.Header.Get("Location"); to != "/profile" {
		t.Errorf("signing up leads to %s", to)
	}
	apptest.Request(t, s, "GET", "/profile", nil, apptest.Cookies(in)).Want(t, http.StatusOK)
	to := apptest.Request(t, s, "GET", "/profile", nil).Want(t, http.StatusSeeOther).Header.Get("Location")
	if path, _, _ := strings.Cut(to, "?"); path != "/login" {
		t.Errorf("the profile of a signed-out visitor leads to %s", to)
	}
}

func testWrongPassword(t *testing.T, s *apptest.Server) {
	name := apptest.NewName()
	apptest.SignUp(t, s, name)
	known, unknown := apptest.Credentials(name, "wrong"), apptest.Credentials(apptest.NewName(), "wrong")
	wrong := apptest.Request(t, s, "POST", "/login", known).Want(t, http.StatusUnauthorized)
	missing := apptest.Request(t, s, "POST", "/login", unknown).Want(t, http.StatusUnauthorized)
	wrong.NoCookies(t)
	missing.NoCookies(t)
	if a, b := strings.ReplaceAll(wrong.Body, name, ""), strings.ReplaceAll(missing.Body, unknown.Get("username"), ""); a != b {
		t.Errorf("a wrong password is answered\n%s\nan unknown name\n%s", a, b)
	}
	for _, form := range []url.Values{apptest.Credentials(name, ""), apptest.Credentials("", ""), {}} {
		apptest.Request(t, s, "POST", "/login", form).Want(t, http.StatusUnauthorized).NoCookies(t)
	}
}

func testTakenName(t *testing.T, s *apptest.Server) {
	name := apptest.NewName()
	owner := apptest.SignUp(t, s, name)
	for _, same := range []string{name, strings.ToUpper(name), " " + name + " "} {
		apptest.Request(t, s, "POST", "/signup", apptest.Credentials(same, "another password")).Want(t, http.StatusConflict).NoCookies(t)
	}
	apptest.Request(t, s, "POST", "/login", apptest.Credentials(name, "another password")).Want(t, http.StatusUnauthorized)
	apptest.WantPage(t, owner.Get("/profile"), http.StatusOK, "/profile")
}

func testBadForms(t *testing.T, s *apptest.Server) {
	tests := []struct {
		name string
		form url.Values
		want int
	}{
		{"no password", apptest.Credentials(apptest.NewName(), ""), http.StatusBadRequest},
		{"no name", apptest.Credentials("", apptest.Password), http.StatusBadRequest},
		{"a blank name", apptest.Credentials(" \t", apptest.Password), http.StatusBadRequest},
		{"a long name", apptest.Credentials(strings.Repeat("é", 33), apptest.Password), http.StatusBadRequest},
		{"a name in invalid UTF-8", apptest.Credentials("ada\xff", apptest.Password), http.StatusBadRequest},
		{"a name with a control character", apptest.Credentials("ada\x00", apptest.Password), http.StatusBadRequest},
		{"a name written backwards", apptest.Credentials("ada\u202e", apptest.Password), http.StatusBadRequest},
		{"a long password", apptest.Credentials(apptest.NewName(), strings.Repeat("x", 1001)), http.StatusBadRequest},
		{"a body that is too large", apptest.Credentials(apptest.NewName(), strings.Repeat("x", 100<<10)), http.StatusRequestEntityTooLarge},
		{"no form", nil, http.StatusBadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			apptest.Request(t, s, "POST", "/signup", tt.form).Want(t, tt.want).NoCookies(t)
		})
	}
}

func testCrossSite(t *testing.T, s *apptest.Server) {
	name, other := apptest.NewName(), apptest.NewName()
	in := apptest.Request(t, s, "POST", "/signup", apptest.Credentials(name, apptest.Password)).Want(t, http.StatusSeeOther)
	token := apptest.SessionOf(t, apptest.SignIn(t, s, name).Page()).AccessToken
	for path, form := range map[string]url.Values{
		"/signup":          apptest.Credentials(other, apptest.Password),
		"/login":           apptest.Credentials(name, apptest.Password),
		"/profile":         {"_lucia": {token}, "bio": {"evil"}},
		"/api/auth/logout": {"_lucia": {token}},
	} {
		apptest.Request(t, s, "POST", path, form, apptest.CrossSite, apptest.Cookies(in)).Want(t, http.StatusForbidden).NoCookies(t)
	}
	apptest.Request(t, s, "POST", "/api/auth/refresh", nil, apptest.CrossSite, apptest.Cookies(in)).Want(t, http.StatusForbidden).NoCookies(t)
	apptest.Request(t, s, "GET", "/profile", nil, apptest.Cookies(in)).Want(t, http.StatusOK)
	if bio := apptest.SessionOf(t, apptest.SignIn(t, s, name).Page()).User.Bio; bio != "" {
		t.Errorf("another site has changed the profile to %q", bio)
	}
	apptest.SignUp(t, s, other) // succeeds because the other site's form took no name
}

func testProfile(t *testing.T, s *apptest.Server) {
	name := apptest.NewName()
	tab := apptest.SignUp(t, s, name)
	before := apptest.SessionOf(t, tab.Page())
	const bio = "Counts things & <b>wins</b>.\nZoë ~>?"
	p := tab.Submit(url.Values{"bio": {strings.ReplaceAll(bio, "\n", "\r\n")}})
	apptest.WantPage(t, p, http.StatusOK, "/profile")
	after := apptest.SessionOf(t, p)
	if after.User.Bio != bio || after.User.ID != before.User.ID {
		t.Errorf("the page has %+v, want the bio %q", after.User, bio)
	}
	if after.RefreshToken != before.RefreshToken {
		t.Error("a change of the profile has rotated the refresh token")
	}
	if got := apptest.SessionOf(t, apptest.SignIn(t, s, name).Page()); got.User.Bio != bio {
		t.Errorf("another session has the bio %q", got.User.Bio)
	}
	p = tab.Submit(url.Values{"bio": {strings.Repeat("x", 161)}})
	apptest.WantPage(t, p, http.StatusBadRequest, "/profile")
	if got := apptest.SessionOf(t, p); got.User.Bio != bio {
		t.Errorf("a refused bio was saved as %q", got.User.Bio)
	}
}

func testProfileProof(t *testing.T, s *apptest.Server) {
	mine := apptest.Request(t, s, "POST", "/signup", apptest.Credentials(apptest.NewName(), apptest.Password)).Want(t, http.StatusSeeOther)
	theirs := apptest.SessionOf(t, apptest.SignUp(t, s, apptest.NewName()).Page()).AccessToken
	for what, form := range map[string]url.Values{
		"no token":            {"bio": {"x"}},
		"another one's token": {"bio": {"x"}, "_lucia": {theirs}},
		"an invalid token":    {"bio": {"x"}, "_lucia": {"x.y.z"}},
	} {
		for who, as := range map[string]func(*http.Request){"a signed-in user": apptest.Cookies(mine), "a signed-out visitor": func(*http.Request) {}} {
			a := apptest.Request(t, s, "POST", "/profile", form, as)
			if a.Status != http.StatusUnauthorized && a.Status != http.StatusForbidden {
				t.Errorf("%s with %s gets %d, want 401 or 403", who, what, a.Status)
			}
		}
	}
}

func testAPI(t *testing.T, s *apptest.Server) {
	name := apptest.NewName()
	in := apptest.Request(t, s, "POST", "/signup", apptest.Credentials(name, apptest.Password)).Want(t, http.StatusSeeOther)
	tab := apptest.SignIn(t, s, name)
	mine := apptest.SessionOf(t, tab.Page())
	p := tab.Fetch("GET", "/api/me", nil)
	want := `{"user_id":"` + mine.User.ID + `","username":"` + name + `","bio":""}`
	if p.Status != http.StatusOK || strings.TrimSpace(p.Body) != want {
		t.Errorf("/api/me says %d %s, want %s", p.Status, p.Body, want)
	}
	if kind := p.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		t.Errorf("/api/me is %s", kind)
	}
	bearer := apptest.With("Authorization", "Bearer "+mine.AccessToken)
	for what, options := range map[string][]func(*http.Request){
		"nothing":                 {},
		"cookies alone":           {apptest.Cookies(in)},
		"the bearer token alone":  {bearer},
		"another's fingerprint":   {bearer, apptest.Cookies(in)},
		"a bearer token for show": {apptest.With("Authorization", "Bearer x"), apptest.Cookies(in)},
		"nothing, from a browser": {apptest.With("Accept", "text/html")},
	} {
		t.Run(what, func(t *testing.T) {
			a := apptest.Request(t, s, "GET", "/api/me", nil, options...).Want(t, http.StatusUnauthorized)
			if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), `Bearer realm="lucia"`) {
				t.Errorf("the challenge is %q", a.Header.Get("WWW-Authenticate"))
			}
		})
	}
}

func testRefresh(t *testing.T, s *apptest.Server) {
	tab := apptest.SignUp(t, s, apptest.NewName())
	before := apptest.SessionOf(t, tab.Page())
	if err := tab.Refresh(); err != nil {
		t.Fatal(err)
	}
	after := apptest.SessionOf(t, tab.Get("/profile"))
	if after.RefreshToken == before.RefreshToken || after.User != before.User {
		t.Errorf("a refresh led from %+v to %+v with a new token: %t", before.User, after.User, after.RefreshToken != before.RefreshToken)
	}
	for _, token := range []string{"", "x.y.z", before.AccessToken} {
		a := apptest.Request(t, s, "POST", "/api/auth/refresh", nil, apptest.With("Authorization", "Bearer "+token))
		a.Want(t, http.StatusUnauthorized).NoCookies(t)
	}
}

func testSignOutByScript(t *testing.T, s *apptest.Server) {
	tab := apptest.SignUp(t, s, apptest.NewName())
	copied := tab.Steal()
	if err := tab.SignOut(); err != nil {
		t.Fatal(err)
	}
	apptest.WantPage(t, tab.Get("/profile"), http.StatusOK, "/login")
	if err := copied.Refresh(); err == nil {
		t.Error("a copy of the session is refreshed after sign-out")
	}
}

func testSignOutByForm(t *testing.T, s *apptest.Server) {
	tab := apptest.SignUp(t, s, apptest.NewName())
	apptest.WantPage(t, tab.Submit(url.Values{"redirect": {"/"}}), http.StatusOK, "/")
	if got := apptest.SessionOf(t, tab.Page()); got != nil {
		t.Errorf("after sign-out the page has the session of %+v", got)
	}
	apptest.WantPage(t, tab.Get("/profile"), http.StatusOK, "/login")
}

func testHeaders(t *testing.T, s *apptest.Server) {
	tab := apptest.SignUp(t, s, apptest.NewName())
	for _, path := range []string{"/", "/profile", "/login", "/signup"} {
		p := tab.Get(path)
		if csp := p.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s has the policy %q", path, csp)
		}
		if p.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%s may be cached: %q", path, p.Header.Get("Cache-Control"))
		}
		for _, inline := range []string{"<style", " style=", " onclick=", "javascript:"} {
			if strings.Contains(p.Body, inline) {
				t.Errorf("%s contains %q", path, inline)
			}
		}
		scripts := strings.Count(p.Body, "<script")
		if ours := strings.Count(p.Body, ` src="/`) - strings.Count(p.Body, `<img src="/`) + 1; scripts != ours {
			t.Errorf("%s has %d scripts, of which %d are files of this site or data", path, scripts, ours)
		}
	}
	if p := tab.Get("/no/such/page"); p.Status != http.StatusNotFound || apptest.SessionOf(t, p) == nil {
		t.Errorf("a missing page answers %d", p.Status)
	}
}

func testEscapes(t *testing.T, s *apptest.Server) {
	name := `</script><!-- ` + apptest.NewName()
	tab := apptest.SignUp(t, s, name)
	if got := apptest.SessionOf(t, tab.Page()); got.User.Username != name {
		t.Errorf("signed up as %q, got %q", name, got.User.Username)
	}
	if p := tab.Get("/profile"); strings.Contains(p.Body, name) {
		t.Error("the page contains the name as markup")
	}
	// A name and a bio of the characters that take most bytes in tokens and pages.
	tab = apptest.SignUp(t, s, apptest.NewName()[:12]+strings.Repeat("<", 20))
	bio := strings.Repeat("<", 160)
	p := tab.Submit(url.Values{"bio": {bio}})
	apptest.WantPage(t, p, http.StatusOK, "/profile")
	if got := apptest.SessionOf(t, p); got.User.Bio != bio {
		t.Errorf("the bio is %q", got.User.Bio)
	}
}

func testErrorPages(t *testing.T, s *apptest.Server) {
	in := apptest.Request(t, s, "POST", "/signup", apptest.Credentials(apptest.NewName(), apptest.Password)).Want(t, http.StatusSeeOther)
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/no/such", http.StatusNotFound, ""},
		{"HEAD", "/no/such", http.StatusNotFound, ""},
		{"POST", "/no/such", http.StatusNotFound, ""},
		{"OPTIONS", "/no/such", http.StatusNotFound, ""},
		{"GET", "/login/", http.StatusNotFound, ""},
		{"POST", "/login/", http.StatusNotFound, ""},
		{"POST", "/", http.StatusMethodNotAllowed, "GET HEAD"},
		{"OPTIONS", "/", http.StatusMethodNotAllowed, "GET HEAD"},
		{"OPTIONS", "/login", http.StatusMethodNotAllowed, "GET HEAD POST"},
		{"DELETE", "/profile", http.StatusMethodNotAllowed, "GET HEAD POST"},
		{"POST", "/api/me", http.StatusMethodNotAllowed, "GET HEAD"},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			for who, as := range map[string]func(*http.Request){"a signed-out visitor": func(*http.Request) {}, "a signed-in user": apptest.Cookies(in)} {
				a := apptest.Request(t, s, tt.method, tt.path, nil, as).Want(t, tt.status)
				allow := strings.Fields(strings.ReplaceAll(a.Header.Get("Allow"), ",", " "))
				if slices.Sort(allow); strings.Join(allow, " ") != tt.allow {
					t.Errorf("%s may %q, want %q", who, allow, tt.allow)
				}
				if tt.method != "HEAD" && (strings.Count(a.Body, "<h1>") != 1 || strings.Contains(a.Body, "/api/auth/logout") != (who == "a signed-in user")) {
					t.Errorf("%s sees\n%.2000s", who, a.Body)
				}
			}
		})
	}
}

func testAssets(t *testing.T, s *apptest.Server) {
	page := apptest.Request(t, s, "GET", "/", nil).Want(t, http.StatusOK).Body
	files := 0
	for part := range strings.SplitSeq(page, `"`) {
		if !strings.HasPrefix(part, "/static/") {
			continue
		}
		files++
		a := apptest.Request(t, s, "GET", part, nil).Want(t, http.StatusOK)
		if !strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %q", part, a.Header.Get("Cache-Control"))
		}
		path, _, _ := strings.Cut(part, "?")
		again := apptest.Request(t, s, "GET", path, nil, apptest.With("If-None-Match", a.Header.Get("ETag"))).Want(t, http.StatusNotModified)
		if again.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s without version: %q", path, again.Header.Get("Cache-Control"))
		}
	}
	if files < 3 {
		t.Errorf("the first page names %d files", files)
	}
	apptest.Request(t, s, "GET", "/static/none", nil).Want(t, http.StatusNotFound)
	apptest.Request(t, s, "GET", "/static/../main.go", nil)
}
