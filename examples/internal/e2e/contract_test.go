package e2e_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/luciatest"
)

// contract is what every example does, wherever it keeps its sessions.
var contract = []struct {
	name string
	test func(t *testing.T, s *server)
}{
	{"signs up", testSignsUp},
	{"signs in and returns to where it was asked from", testSignsIn},
	{"signs in with what programs send", testPlainProgram},
	{"refuses a wrong password and an unknown name alike", testWrongPassword},
	{"refuses a taken name", testTakenName},
	{"refuses forms that make no sense", testBadForms},
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
	{"serves files that may be cached for good", testAssets},
	{"answers by page what it has no page for", testErrorPages},
}

// onEveryStore runs a test on each example, in memory, on Redis and on SQLite.
func onEveryStore(t *testing.T, test func(t *testing.T, app string, flags ...string)) {
	for _, app := range apps {
		t.Run(app+" in memory", func(t *testing.T) {
			t.Parallel()
			test(t, app)
		})
		t.Run(app+" on Redis", func(t *testing.T) {
			t.Parallel()
			test(t, app, "-redis", testenv.Redis(t).URL(), "-secret", secret)
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
		s := start(t, app, flags...)
		for _, c := range contract {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.test(t, s)
			})
		}
	})
}

func testSignsUp(t *testing.T, s *server) {
	name := newName()
	tab := signUp(t, s, name)
	got := sessionOf(t, tab.Page())
	if got == nil || got.User.Username != name || got.User.ID == "" || got.AccessToken == "" || got.RefreshToken == "" {
		t.Errorf("after signing up the page is of %+v, want %s with both tokens", got, name)
	}
	if !strings.Contains(tab.Page().Body, "<h1>"+name+"</h1>") {
		t.Errorf("the page does not greet %s", name)
	}
	if got := sessionOf(t, tab.Get("/")); got == nil || got.User.Username != name {
		t.Errorf("the first page is of %+v", got)
	}
}

func testSignsIn(t *testing.T, s *server) {
	name := newName()
	first := sessionOf(t, signUp(t, s, name).Page())
	tab := luciatest.NewBrowserAt(t, s.URL, nil).Open("/profile?from=here")
	wantPage(t, tab.Page(), http.StatusOK, "/login")
	if got := sessionOf(t, tab.Page()); got != nil {
		t.Errorf("nobody is %+v", got)
	}
	p := tab.Submit(credentials(strings.ToUpper(name), password))
	wantPage(t, p, http.StatusOK, "/profile")
	if p.URL.RawQuery != "from=here" {
		t.Errorf("signing in led to %s", p.URL)
	}
	if got := sessionOf(t, p); got.User != first.User || got.RefreshToken == first.RefreshToken {
		t.Errorf("signed in as %+v, want %+v with another session", got.User, first.User)
	}
	away := request(t, s, "POST", "/login?next=//evil.example", credentials(name, password)).want(t, http.StatusSeeOther)
	if to := away.header.Get("Location"); to != "/profile" {
		t.Errorf("signing in led to %s", to)
	}
}

// Programs do not say what they accept, nor whence they come.
func testPlainProgram(t *testing.T, s *server) {
	name := newName()
	in := request(t, s, "POST", "/signup", credentials(name, password)).want(t, http.StatusSeeOther)
	if to := in.header.Get("Location"); to != "/profile" {
		t.Errorf("signing up leads to %s", to)
	}
	request(t, s, "GET", "/profile", nil, cookies(in)).want(t, http.StatusOK)
	to := request(t, s, "GET", "/profile", nil).want(t, http.StatusSeeOther).header.Get("Location")
	if path, _, _ := strings.Cut(to, "?"); path != "/login" {
		t.Errorf("the profile of nobody leads to %s", to)
	}
}

func testWrongPassword(t *testing.T, s *server) {
	name := newName()
	signUp(t, s, name)
	known, unknown := credentials(name, "wrong"), credentials(newName(), "wrong")
	wrong := request(t, s, "POST", "/login", known).want(t, http.StatusUnauthorized)
	missing := request(t, s, "POST", "/login", unknown).want(t, http.StatusUnauthorized)
	wrong.noCookies(t)
	missing.noCookies(t)
	if a, b := strings.ReplaceAll(wrong.body, name, ""), strings.ReplaceAll(missing.body, unknown.Get("username"), ""); a != b {
		t.Errorf("a wrong password is answered\n%s\nan unknown name\n%s", a, b)
	}
	// The fastest of some, taken in turn, since other tests run beside this one.
	fastest := [2]time.Duration{time.Hour, time.Hour}
	for range 12 {
		for i, form := range []url.Values{known, unknown} {
			began := time.Now()
			request(t, s, "POST", "/login", form).want(t, http.StatusUnauthorized)
			fastest[i] = min(fastest[i], time.Since(began))
		}
	}
	if a, b := fastest[0], fastest[1]; b < a/3 || a < b/3 {
		t.Errorf("a wrong password takes %v, an unknown name %v", a, b)
	}
	for _, form := range []url.Values{credentials(name, ""), credentials("", ""), {}} {
		request(t, s, "POST", "/login", form).want(t, http.StatusUnauthorized).noCookies(t)
	}
}

func testTakenName(t *testing.T, s *server) {
	name := newName()
	owner := signUp(t, s, name)
	for _, same := range []string{name, strings.ToUpper(name), " " + name + " "} {
		request(t, s, "POST", "/signup", credentials(same, "another password")).want(t, http.StatusConflict).noCookies(t)
	}
	request(t, s, "POST", "/login", credentials(name, "another password")).want(t, http.StatusUnauthorized)
	wantPage(t, owner.Get("/profile"), http.StatusOK, "/profile")
}

func testBadForms(t *testing.T, s *server) {
	tests := []struct {
		name string
		form url.Values
		want int
	}{
		{"no password", credentials(newName(), ""), http.StatusBadRequest},
		{"no name", credentials("", password), http.StatusBadRequest},
		{"a blank name", credentials(" \t", password), http.StatusBadRequest},
		{"a long name", credentials(strings.Repeat("é", 33), password), http.StatusBadRequest},
		{"a name that is no UTF-8", credentials("ada\xff", password), http.StatusBadRequest},
		{"a name with a control character", credentials("ada\x00", password), http.StatusBadRequest},
		{"a name written backwards", credentials("ada\u202e", password), http.StatusBadRequest},
		{"a long password", credentials(newName(), strings.Repeat("x", 1001)), http.StatusBadRequest},
		{"too much of everything", credentials(newName(), strings.Repeat("x", 100<<10)), http.StatusRequestEntityTooLarge},
		{"no form", nil, http.StatusBadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request(t, s, "POST", "/signup", tt.form).want(t, tt.want).noCookies(t)
		})
	}
}

func testCrossSite(t *testing.T, s *server) {
	name, other := newName(), newName()
	in := request(t, s, "POST", "/signup", credentials(name, password)).want(t, http.StatusSeeOther)
	token := sessionOf(t, signIn(t, s, name).Page()).AccessToken
	for path, form := range map[string]url.Values{
		"/signup":          credentials(other, password),
		"/login":           credentials(name, password),
		"/profile":         {"_lucia": {token}, "bio": {"evil"}},
		"/api/auth/logout": {"_lucia": {token}},
	} {
		request(t, s, "POST", path, form, crossSite, cookies(in)).want(t, http.StatusForbidden).noCookies(t)
	}
	request(t, s, "POST", "/api/auth/refresh", nil, crossSite, cookies(in)).want(t, http.StatusForbidden).noCookies(t)
	request(t, s, "GET", "/profile", nil, cookies(in)).want(t, http.StatusOK)
	if bio := sessionOf(t, signIn(t, s, name).Page()).User.Bio; bio != "" {
		t.Errorf("another site has changed the profile to %q", bio)
	}
	signUp(t, s, other) // which nobody has taken
}

func testProfile(t *testing.T, s *server) {
	name := newName()
	tab := signUp(t, s, name)
	before := sessionOf(t, tab.Page())
	const bio = "Counts things & <b>wins</b>.\nZoë ~>?"
	p := tab.Submit(url.Values{"bio": {strings.ReplaceAll(bio, "\n", "\r\n")}})
	wantPage(t, p, http.StatusOK, "/profile")
	after := sessionOf(t, p)
	if after.User.Bio != bio || after.User.ID != before.User.ID {
		t.Errorf("the page has %+v, want the bio %q", after.User, bio)
	}
	if after.RefreshToken != before.RefreshToken {
		t.Error("a change of the profile has rotated the refresh token")
	}
	if got := sessionOf(t, signIn(t, s, name).Page()); got.User.Bio != bio {
		t.Errorf("another session has the bio %q", got.User.Bio)
	}
	p = tab.Submit(url.Values{"bio": {strings.Repeat("x", 161)}})
	wantPage(t, p, http.StatusBadRequest, "/profile")
	if got := sessionOf(t, p); got.User.Bio != bio {
		t.Errorf("a bio that was refused became %q", got.User.Bio)
	}
}

func testProfileProof(t *testing.T, s *server) {
	mine := request(t, s, "POST", "/signup", credentials(newName(), password)).want(t, http.StatusSeeOther)
	theirs := sessionOf(t, signUp(t, s, newName()).Page()).AccessToken
	for what, form := range map[string]url.Values{
		"no token":             {"bio": {"x"}},
		"another one's token":  {"bio": {"x"}, "_lucia": {theirs}},
		"a token that is none": {"bio": {"x"}, "_lucia": {"x.y.z"}},
	} {
		for who, as := range map[string]func(*http.Request){"somebody": cookies(mine), "nobody": func(*http.Request) {}} {
			a := request(t, s, "POST", "/profile", form, as)
			if a.status != http.StatusUnauthorized && a.status != http.StatusForbidden {
				t.Errorf("%s with %s gets %d, want 401 or 403", who, what, a.status)
			}
		}
	}
}

func testAPI(t *testing.T, s *server) {
	name := newName()
	in := request(t, s, "POST", "/signup", credentials(name, password)).want(t, http.StatusSeeOther)
	tab := signIn(t, s, name)
	mine := sessionOf(t, tab.Page())
	p := tab.Fetch("GET", "/api/me", nil)
	want := `{"user_id":"` + mine.User.ID + `","username":"` + name + `","bio":""}`
	if p.Status != http.StatusOK || strings.TrimSpace(p.Body) != want {
		t.Errorf("/api/me says %d %s, want %s", p.Status, p.Body, want)
	}
	if kind := p.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		t.Errorf("/api/me is %s", kind)
	}
	bearer := with("Authorization", "Bearer "+mine.AccessToken)
	for what, options := range map[string][]func(*http.Request){
		"nothing":                 {},
		"cookies alone":           {cookies(in)},
		"the bearer token alone":  {bearer},
		"another's fingerprint":   {bearer, cookies(in)},
		"a bearer token for show": {with("Authorization", "Bearer x"), cookies(in)},
		"nothing, from a browser": {with("Accept", "text/html")},
	} {
		t.Run(what, func(t *testing.T) {
			a := request(t, s, "GET", "/api/me", nil, options...).want(t, http.StatusUnauthorized)
			if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), `Bearer realm="lucia"`) {
				t.Errorf("the challenge is %q", a.header.Get("WWW-Authenticate"))
			}
		})
	}
}

func testRefresh(t *testing.T, s *server) {
	tab := signUp(t, s, newName())
	before := sessionOf(t, tab.Page())
	if err := tab.Refresh(); err != nil {
		t.Fatal(err)
	}
	after := sessionOf(t, tab.Get("/profile"))
	if after.RefreshToken == before.RefreshToken || after.User != before.User {
		t.Errorf("a refresh led from %+v to %+v with a new token: %t", before.User, after.User, after.RefreshToken != before.RefreshToken)
	}
	for _, token := range []string{"", "x.y.z", before.AccessToken} {
		a := request(t, s, "POST", "/api/auth/refresh", nil, with("Authorization", "Bearer "+token))
		a.want(t, http.StatusUnauthorized).noCookies(t)
	}
}

func testSignOutByScript(t *testing.T, s *server) {
	tab := signUp(t, s, newName())
	copied := tab.Steal()
	if err := tab.SignOut(); err != nil {
		t.Fatal(err)
	}
	wantPage(t, tab.Get("/profile"), http.StatusOK, "/login")
	if err := copied.Refresh(); err == nil {
		t.Error("a copy of the session is refreshed after sign-out")
	}
}

func testSignOutByForm(t *testing.T, s *server) {
	tab := signUp(t, s, newName())
	wantPage(t, tab.Submit(url.Values{"redirect": {"/"}}), http.StatusOK, "/")
	if got := sessionOf(t, tab.Page()); got != nil {
		t.Errorf("after sign-out the page is of %+v", got)
	}
	wantPage(t, tab.Get("/profile"), http.StatusOK, "/login")
}

func testHeaders(t *testing.T, s *server) {
	tab := signUp(t, s, newName())
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
	if p := tab.Get("/no/such/page"); p.Status != http.StatusNotFound || sessionOf(t, p) == nil {
		t.Errorf("a page that is none says %d", p.Status)
	}
}

func testEscapes(t *testing.T, s *server) {
	name := `</script><!-- ` + newName()
	tab := signUp(t, s, name)
	if got := sessionOf(t, tab.Page()); got.User.Username != name {
		t.Errorf("signed up as %q, got %q", name, got.User.Username)
	}
	if p := tab.Get("/profile"); strings.Contains(p.Body, name) {
		t.Error("the page contains the name as markup")
	}
	// A name and a bio of what takes most bytes, wherever it is written.
	tab = signUp(t, s, newName()[:12]+strings.Repeat("<", 20))
	bio := strings.Repeat("<", 160)
	p := tab.Submit(url.Values{"bio": {bio}})
	wantPage(t, p, http.StatusOK, "/profile")
	if got := sessionOf(t, p); got.User.Bio != bio {
		t.Errorf("the bio is %q", got.User.Bio)
	}
}

func testErrorPages(t *testing.T, s *server) {
	in := request(t, s, "POST", "/signup", credentials(newName(), password)).want(t, http.StatusSeeOther)
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
			for who, as := range map[string]func(*http.Request){"nobody": func(*http.Request) {}, "somebody": cookies(in)} {
				a := request(t, s, tt.method, tt.path, nil, as).want(t, tt.status)
				allow := strings.Fields(strings.ReplaceAll(a.header.Get("Allow"), ",", " "))
				if slices.Sort(allow); strings.Join(allow, " ") != tt.allow {
					t.Errorf("%s may %q, want %q", who, allow, tt.allow)
				}
				if tt.method != "HEAD" && (strings.Count(a.body, "<h1>") != 1 || strings.Contains(a.body, "/api/auth/logout") != (who == "somebody")) {
					t.Errorf("%s sees\n%.2000s", who, a.body)
				}
			}
		})
	}
}

func testAssets(t *testing.T, s *server) {
	page := request(t, s, "GET", "/", nil).want(t, http.StatusOK).body
	files := 0
	for part := range strings.SplitSeq(page, `"`) {
		if !strings.HasPrefix(part, "/static/") {
			continue
		}
		files++
		a := request(t, s, "GET", part, nil).want(t, http.StatusOK)
		if !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %q", part, a.header.Get("Cache-Control"))
		}
		path, _, _ := strings.Cut(part, "?")
		again := request(t, s, "GET", path, nil, with("If-None-Match", a.header.Get("ETag"))).want(t, http.StatusNotModified)
		if again.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s without version: %q", path, again.header.Get("Cache-Control"))
		}
	}
	if files < 3 {
		t.Errorf("the first page names %d files", files)
	}
	request(t, s, "GET", "/static/none", nil).want(t, http.StatusNotFound)
	request(t, s, "GET", "/static/../main.go", nil)
}
