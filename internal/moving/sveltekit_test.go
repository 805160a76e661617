package moving_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lucia-go/lucia/internal/moving/fromsveltekit"
	"github.com/lucia-go/lucia/internal/moving/people"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/luciatest"
)

const (
	kitDir    = "fromsveltekit"
	kitOrigin = "https://app.example"
	kitSecret = "the secret of the app in SvelteKit, of 32 characters or more"
)

// installKit installs the packages of package-lock.json, once.
var installKit = sync.OnceValue(func() error {
	if kitInstalled() {
		return nil
	}
	out, err := exec.Command("npm", "ci", "--prefix", kitDir, "--ignore-scripts", "--no-audit", "--no-fund").CombinedOutput()
	if err != nil {
		return fmt.Errorf("npm ci --prefix %s: %v\n%s", kitDir, err, out)
	}
	return nil
})

// kitInstalled reports whether all packages are installed in the versions of the lock file.
func kitInstalled() bool {
	read := func(file string, out any) bool {
		data, err := os.ReadFile(filepath.Join(kitDir, file))
		return err == nil && json.Unmarshal(data, out) == nil
	}
	var lock struct {
		Packages map[string]struct{ Version string }
	}
	if !read("package-lock.json", &lock) || len(lock.Packages) == 0 {
		return false
	}
	for path, want := range lock.Packages {
		var got struct{ Version string }
		if path != "" && (!read(filepath.Join(path, "package.json"), &got) || got.Version != want.Version) {
			return false
		}
	}
	return true
}

// kitApp is before.mjs, which node runs.
type kitApp struct {
	http.Handler
	t      *testing.T
	input  io.Writer
	output *bufio.Reader
}

// startKit starts before.mjs. If node, npm or its registry is missing, the test is skipped or
// fails, as testenv.Missing decides.
func startKit(t *testing.T) *kitApp {
	t.Helper()
	node := testenv.Require(t, "node")
	if !kitInstalled() {
		testenv.Require(t, "npm")
		if err := installKit(); err != nil {
			testenv.Missing(t, "npm", "lucia-sveltekit is not installed: "+err.Error())
		}
	}
	cmd := exec.Command(node, "testdata/serve.mjs", kitSecret, kitOrigin)
	cmd.Dir = kitDir
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var faults strings.Builder
	cmd.Stderr = &faults
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close()
		cmd.Wait()
		if t.Failed() {
			t.Logf("before.mjs: %.4000s", faults.String())
		}
	})
	app := &kitApp{nil, t, input, bufio.NewReader(output)}
	address, err := url.Parse(strings.TrimSpace(app.line()))
	if err != nil {
		t.Fatal(err)
	}
	app.Handler = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(address) }}
	return app
}

func (a *kitApp) line() string {
	a.t.Helper()
	line, err := a.output.ReadString('\n')
	if err != nil {
		a.t.Fatalf("before.mjs has stopped: %v", err)
	}
	return line
}

// tell sends a command of serve.mjs and returns the answer.
func (a *kitApp) tell(command string) string {
	a.t.Helper()
	if _, err := fmt.Fprintln(a.input, command); err != nil {
		a.t.Fatal(err)
	}
	return a.line()
}

// kitTables are the rows of the app's tables.
type kitTables struct {
	Users         []fromsveltekit.Account
	RefreshTokens []string `json:"refresh_tokens"`
}

func (a *kitApp) tables() (tables kitTables) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.tell("tables")), &tables); err != nil {
		a.t.Fatal(err)
	}
	return tables
}

// kitPerson is a person with a browser at an app, before or after.
type kitPerson struct {
	t    *testing.T
	http *http.Client
}

func newKitPerson(t *testing.T, app http.Handler) *kitPerson {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &kitPerson{t, &http.Client{
		Transport:     luciatest.Transport(app),
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// kitAnswer is an answer of an app.
type kitAnswer struct {
	status int
	body   string
	set    []*http.Cookie
	header http.Header
}

// code returns the member message of the answer.
func (a kitAnswer) code() string {
	var body struct{ Message string }
	json.Unmarshal([]byte(a.body), &body)
	return body.Message
}

// ask makes a request as a script of the page does, or as a form if there are fields.
func (p *kitPerson) ask(method, path string, fields url.Values, header ...string) kitAnswer {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, kitOrigin+path, strings.NewReader(fields.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	if fields != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return kitAnswer{resp.StatusCode, string(body), resp.Cookies(), resp.Header}
}

// enter signs up or in and returns the page data afterwards.
func (p *kitPerson) enter(path, username, password string) kitData {
	p.t.Helper()
	answer := p.ask("POST", path, url.Values{"username": {username}, "password": {password}})
	if answer.status != http.StatusSeeOther {
		p.t.Fatalf("%s: %d %.200s", path, answer.status, answer.body)
	}
	return p.data()
}

// cookies returns the person's cookies by the names that both apps have in common.
func (p *kitPerson) cookies() map[string]string {
	cookies := map[string]string{}
	for _, c := range p.http.Jar.Cookies(&url.URL{Scheme: "https", Host: "app.example", Path: "/"}) {
		cookies[strings.TrimPrefix(c.Name, "__Host-")] = c.Value
	}
	return cookies
}

// drop deletes a cookie of the person.
func (p *kitPerson) drop(name string) {
	var gone []*http.Cookie
	for _, prefix := range []string{"", "__Host-"} {
		gone = append(gone, &http.Cookie{Name: prefix + name, Path: "/", Secure: true, MaxAge: -1})
	}
	p.http.Jar.SetCookies(&url.URL{Scheme: "https", Host: "app.example", Path: "/"}, gone)
}

// kitData is _lucia of a page.
type kitData struct {
	User    map[string]string
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`

	keys []string
}

var pageScript = regexp.MustCompile(`<script type="application/json"[^>]*>([^<]*)</script>`)

func (p *kitPerson) data() (data kitData) {
	p.t.Helper()
	answer := p.ask("GET", "/", nil, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html")
	script := pageScript.FindStringSubmatch(answer.body)
	if script == nil {
		p.t.Fatalf("the page has no data: %d %.500s", answer.status, answer.body)
	}
	var page struct {
		Lucia json.RawMessage `json:"_lucia"`
	}
	if err := json.Unmarshal([]byte(script[1]), &page); err != nil {
		p.t.Fatal(err)
	}
	if string(page.Lucia) == "null" {
		return data
	}
	if err := json.Unmarshal(page.Lucia, &data); err != nil {
		p.t.Fatalf("%v: %s", err, page.Lucia)
	}
	data.keys = memberNames(p.t, string(page.Lucia))
	return data
}

// memberNames returns the sorted names of an object's members.
func memberNames(t *testing.T, object string) []string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(object), &members); err != nil {
		t.Fatalf("%v: %.200s", err, object)
	}
	return slices.Sorted(maps.Keys(members))
}

// part returns a part of a JWT: 0 is the header, 1 the claims.
func part(t *testing.T, token string, n int) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %.80q", token)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[n])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// forge returns a token whose signature is wrong, with a change of its claims.
func forge(t *testing.T, token, old, new string) string {
	t.Helper()
	claims := part(t, token, 1)
	if !strings.Contains(claims, old) {
		t.Fatalf("no %s in %s", old, claims)
	}
	parts := strings.Split(token, ".")
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(claims, old, new, 1)))
	return strings.Join(parts, ".")
}

// movedApp is the app after the move.
type movedApp struct {
	http.Handler
	*luciatest.Kit[people.Profile]
	accounts *fromsveltekit.Accounts
	tokens   map[string]bool // the old refresh tokens
}

// afterKit returns the app after the move, with the rows of the app before.
func afterKit(t *testing.T, before kitTables) movedApp {
	t.Helper()
	app := movedApp{Kit: newKit(t), accounts: &fromsveltekit.Accounts{}, tokens: map[string]bool{}}
	for _, row := range before.Users {
		app.accounts.Set(row)
	}
	for _, token := range before.RefreshTokens {
		app.tokens[token] = true
	}
	app.Handler = must(t)(fromsveltekit.After(app.Config, kitSecret, &rows{tokens: app.tokens}, app.accounts))
	return app
}

// TestSvelteKitAppMoves replaces before.mjs while a person is signed in there.
func TestSvelteKitAppMoves(t *testing.T) {
	t.Parallel()
	old := startKit(t)
	app := &site{old}
	browser := luciatest.NewBrowser(t, app)
	tab := browser.Open("/account")
	want(t, tab.Page(), "/login")
	tab.Get("/signup")
	want(t, tab.Submit(ada), "/", "Hello, Ada")
	want(t, tab.Get("/account"), "/account", "Account of Ada")
	if visitor := luciatest.NewBrowser(t, app).Open("/signup"); visitor.Submit(ada).Status != http.StatusConflict {
		t.Errorf("a sign-up with a name that is taken: %d", visitor.Page().Status)
	}
	cookies := browser.Cookies()

	tables := old.tables()
	after := afterKit(t, tables)
	app.Handler = after
	want(t, tab.Get("/account"), "/account", "Account of Ada")
	if got := names(browser); !slices.Equal(got, []string{"__Host-access_token", "__Host-encrypt_refresh_token", "__Host-fingerprint_token"}) {
		t.Errorf("cookies %v", got)
	}
	if len(tables.RefreshTokens) != 1 || after.tokens[tables.RefreshTokens[0]] {
		t.Errorf("the old refresh tokens are %v, of %d before", after.tokens, len(tables.RefreshTokens))
	}
	if answer := replay(app, "/account", cookies); answer.Header.Get("Refresh") != "1" || len(answer.Cookies()) != 0 {
		t.Errorf("old cookies, a second time: %d, cookies %v, want a page that asks again", answer.StatusCode, answer.Cookies())
	}
	list, err := after.Store.List(t.Context(), tables.Users[0].ID)
	if err != nil || len(list) != 1 {
		t.Errorf("the user has %d sessions, want one: %v", len(list), err)
	}

	// A sign-in accepts the old hash of the password and replaces it. The next one accepts the new.
	oldHash := tables.Users[0].HashedPassword
	for range 2 {
		other := luciatest.NewBrowser(t, app).Open("/login")
		want(t, other.Submit(ada), "/", "Hello, Ada")
		row, _ := after.accounts.ByID(tables.Users[0].ID)
		if row.HashedPassword == oldHash || !strings.HasPrefix(row.HashedPassword, "$argon2id$") {
			t.Errorf("the hash of the password is %q", row.HashedPassword)
		}
	}
	wrong := luciatest.NewBrowser(t, app).Open("/login")
	if page := wrong.Submit(url.Values{"username": {"Ada"}, "password": {"guess"}}); page.Status != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d", page.Status)
	}
	if visitor := luciatest.NewBrowser(t, app).Open("/signup"); visitor.Submit(ada).Status != http.StatusConflict {
		t.Errorf("a sign-up with a name that is taken: %d", visitor.Page().Status)
	}
	tab.Get("/")
	want(t, tab.Submit(url.Values{"name": {"Countess"}}), "/", "Hello, Countess")
}

// TestSvelteKitTokens compares the tokens, cookies and page data of both apps with the table of
// docs/from/lucia-sveltekit.md.
func TestSvelteKitTokens(t *testing.T) {
	t.Parallel()
	old := startKit(t)
	after := afterKit(t, kitTables{})
	type expected struct {
		access, refresh []string // claims
		header          []string
		prefix          string
		sealed, hash    string // patterns
	}
	for name, c := range map[string]struct {
		app http.Handler
		expected
	}{
		"before": {old, expected{
			access:  []string{"exp", "fingerprint_hash", "iat", "role", "user", "ver"},
			refresh: []string{"exp", "fingerprint_hash", "iat", "role", "user_id"},
			header:  []string{"alg", "typ"},
			sealed:  `^[0-9a-f]+\.[0-9a-f]{32}$`,
			hash:    `^[0-9A-Za-z]{16}:[0-9a-f]{128}$`,
		}},
		"after": {after, expected{
			access:  []string{"auth_time", "exp", "fingerprint_hash", "gen", "iat", "role", "sid", "user", "ver"},
			refresh: []string{"auth_time", "exp", "fingerprint_hash", "gen", "iat", "role", "sid", "user_id"},
			header:  []string{"alg", "kid", "typ"},
			prefix:  "__Host-",
			sealed:  `^[\w-]{12}\.[\w-]+\.[\w-]+$`,
			hash:    `^[\w-]{43}$`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			person := newKitPerson(t, c.app)
			if data := person.data(); data.keys != nil {
				t.Errorf("a visitor's _lucia is %v, want null", data)
			}
			answer := person.ask("POST", "/signup", url.Values{"username": {"Ada"}, "password": {"secret"}})
			var set []string
			for _, cookie := range answer.set {
				set = append(set, cookie.Name)
				if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" {
					t.Errorf("the cookie %s", cookie)
				}
			}
			slices.Sort(set)
			if want := []string{c.prefix + "access_token", c.prefix + "encrypt_refresh_token", c.prefix + "fingerprint_token"}; !slices.Equal(set, want) {
				t.Errorf("a sign-up sets %v, want %v", set, want)
			}
			data, cookies := person.data(), person.cookies()
			if want := []string{"access_token", "refresh_token", "user"}; !slices.Equal(data.keys, want) {
				t.Errorf("_lucia has %v, want %v", data.keys, want)
			}
			if data.User["name"] != "Ada" || data.User["user_id"] == "" || len(data.User) != 2 {
				t.Errorf("user is %v", data.User)
			}
			if data.Access != cookies["access_token"] {
				t.Error("the access token of the page is not that of the cookie")
			}
			if fingerprint := cookies["fingerprint_token"]; !regexp.MustCompile(`^[0-9A-Za-z_-]{64}$`).MatchString(fingerprint) {
				t.Errorf("the fingerprint is %q", fingerprint)
			}
			if !regexp.MustCompile(c.sealed).MatchString(cookies["encrypt_refresh_token"]) {
				t.Errorf("the sealed cookie is %q", cookies["encrypt_refresh_token"])
			}
			if got := memberNames(t, part(t, data.Access, 0)); !slices.Equal(got, c.header) {
				t.Errorf("the header has %v, want %v", got, c.header)
			}
			for _, token := range []struct {
				value, role string
				claims      []string
				seconds     int
			}{
				{data.Access, "access_token", c.access, 15 * 60},
				{data.Refresh, "refresh_token", c.refresh, 365 * 24 * 60 * 60},
			} {
				text := part(t, token.value, 1)
				if got := memberNames(t, text); !slices.Equal(got, token.claims) {
					t.Errorf("the claims of the %s are %v, want %v", token.role, got, token.claims)
				}
				var claims struct {
					Role            string
					Iat, Exp        int
					Ver             int
					FingerprintHash string `json:"fingerprint_hash"`
				}
				if err := json.Unmarshal([]byte(text), &claims); err != nil {
					t.Fatal(err)
				}
				if claims.Role != token.role || claims.Exp-claims.Iat != token.seconds {
					t.Errorf("the %s has the role %s and %d s", token.role, claims.Role, claims.Exp-claims.Iat)
				}
				if token.role == "access_token" && claims.Ver != 2 {
					t.Errorf("version %d", claims.Ver)
				}
				if !regexp.MustCompile(c.hash).MatchString(claims.FingerprintHash) {
					t.Errorf("fingerprint_hash is %q", claims.FingerprintHash)
				}
			}
		})
	}
}

// kitOutcome is the status of an answer, and its code.
type kitOutcome struct {
	status int
	code   string
}

// checkRow checks that the document has a row with the answers of both apps if they differ. The
// status of a request that the app itself refuses is the app's choice.
func checkRow(t *testing.T, document []byte, row string, before, after kitOutcome) {
	t.Helper()
	if before == after {
		return
	}
	_, rest, found := strings.Cut(string(document), "\n| "+row+" | ")
	line, _, _ := strings.Cut(rest, "\n")
	cells := strings.Split(line, "|")
	if row == "" || !found || len(cells) != 3 {
		t.Fatalf("the document has no row %q for %v and %v", row, before, after)
	}
	for i, outcome := range []kitOutcome{before, after} {
		if outcome.code != "" && !strings.Contains(cells[i], "`"+outcome.code+"`") {
			t.Errorf("the row %q says %q, want %s", row, cells[i], outcome.code)
		}
		if !strings.HasPrefix(row, "`validate") && !strings.Contains(cells[i], fmt.Sprint(outcome.status)) {
			t.Errorf("the row %q says %q, want %d", row, cells[i], outcome.status)
		}
	}
}

// TestSvelteKitAnswers makes the same requests to both apps. Differences are those that
// docs/from/lucia-sveltekit.md names.
func TestSvelteKitAnswers(t *testing.T) {
	t.Parallel()
	old := startKit(t)
	document, err := os.ReadFile("../../docs/from/lucia-sveltekit.md")
	if err != nil {
		t.Fatal(err)
	}
	bearer := func(p *kitPerson, method, path, token string) kitAnswer {
		return p.ask(method, path, nil, "Authorization", "Bearer "+token)
	}
	const refresh, logout, me = "/api/auth/refresh", "/api/auth/logout", "/api/me"
	for name, c := range map[string]struct {
		row           string // of the document, if the answers differ
		down          bool   // the database
		ask           func(p *kitPerson, data kitData) kitAnswer
		before, after kitOutcome
	}{
		"refresh": {"", false, func(p *kitPerson, d kitData) kitAnswer {
			return bearer(p, "POST", refresh, d.Refresh)
		}, kitOutcome{200, ""}, kitOutcome{200, ""}},
		"refresh without a token": {"refresh, refused", false, func(p *kitPerson, d kitData) kitAnswer {
			return p.ask("POST", refresh, nil)
		}, kitOutcome{500, "REQUEST_UNAUTHORIZED"}, kitOutcome{401, "AUTH_UNAUTHORIZED"}},
		"refresh with an access token": {"refresh, refused", false, func(p *kitPerson, d kitData) kitAnswer {
			return bearer(p, "POST", refresh, d.Access)
		}, kitOutcome{500, "REQUEST_UNAUTHORIZED"}, kitOutcome{401, "AUTH_UNAUTHORIZED"}},
		"refresh without the fingerprint": {"refresh, refused", false, func(p *kitPerson, d kitData) kitAnswer {
			p.drop("fingerprint_token")
			return bearer(p, "POST", refresh, d.Refresh)
		}, kitOutcome{500, "REQUEST_UNAUTHORIZED"}, kitOutcome{401, "AUTH_UNAUTHORIZED"}},
		"refresh while the database is down": {"refresh, database down", true, func(p *kitPerson, d kitData) kitAnswer {
			return bearer(p, "POST", refresh, d.Refresh)
		}, kitOutcome{500, "DATABASE_FETCH_FAILED"}, kitOutcome{503, "DATABASE_FETCH_FAILED"}},
		"refresh from another site": {"refresh from another site", false, func(p *kitPerson, d kitData) kitAnswer {
			return p.ask("POST", refresh, nil, "Authorization", "Bearer "+d.Refresh,
				"Origin", "https://other.example", "Sec-Fetch-Site", "cross-site")
		}, kitOutcome{200, ""}, kitOutcome{403, "AUTH_INVALID_REQUEST"}},
		"refresh by GET": {"refresh by GET", false, func(p *kitPerson, d kitData) kitAnswer {
			return bearer(p, "GET", refresh, d.Refresh)
		}, kitOutcome{404, ""}, kitOutcome{405, "AUTH_INVALID_REQUEST_METHOD"}},

		"logout": {"logout", false, func(p *kitPerson, d kitData) kitAnswer {
			return bearer(p, "POST", logout, d.Access)
		}, kitOutcome{200, ""}, kitOutcome{204, ""}},
		"logout without a token": {"logout without a token", false, func(p *kitPerson, d kitData) kitAnswer {
			return p.ask("POST", logout, nil)
		}, kitOutcome{500, "Missing access token"}, kitOutcome{401, "AUTH_NOT_AUTHENTICATED"}},
		"logout with a refresh token": {"logout with a wrong token", false, func(p *kitPerson, d kitData) kitAnswer {
			return bearer(p, "POST", logout, d.Refresh)
		}, kitOutcome{500, "AUTH_INVALID_ACCESS_TOKEN"}, kitOutcome{401, "AUTH_NOT_AUTHENTICATED"}},
		"logout while the database is down": {"logout, database down", true, func(p *kitPerson, d kitData) kitAnswer {
			return bearer(p, "POST", logout, d.Access)
		}, kitOutcome{500, "DATABASE_UPDATE_FAILED"}, kitOutcome{503, "DATABASE_UPDATE_FAILED"}},

		"validateRequest": {"", false, func(p *kitPerson, d kitData) kitAnswer {
			return bearer(p, "GET", me, d.Access)
		}, kitOutcome{200, ""}, kitOutcome{200, ""}},
		"validateRequest without a token": {"", false, func(p *kitPerson, d kitData) kitAnswer {
			return p.ask("GET", me, nil)
		}, kitOutcome{401, "AUTH_INVALID_ACCESS_TOKEN"}, kitOutcome{401, "AUTH_INVALID_ACCESS_TOKEN"}},
		"validateRequest with a refresh token": {"", false, func(p *kitPerson, d kitData) kitAnswer {
			return bearer(p, "GET", me, d.Refresh)
		}, kitOutcome{401, "AUTH_INVALID_ACCESS_TOKEN"}, kitOutcome{401, "AUTH_INVALID_ACCESS_TOKEN"}},
		"validateRequest without the fingerprint": {"", false, func(p *kitPerson, d kitData) kitAnswer {
			p.drop("fingerprint_token")
			return bearer(p, "GET", me, d.Access)
		}, kitOutcome{401, "AUTH_INVALID_ACCESS_TOKEN"}, kitOutcome{401, "AUTH_INVALID_ACCESS_TOKEN"}},
		"validateRequest without the refresh cookie": {"`validateRequest` without the refresh cookie", false, func(p *kitPerson, d kitData) kitAnswer {
			p.drop("encrypt_refresh_token")
			return bearer(p, "GET", me, d.Access)
		}, kitOutcome{401, "IV not found"}, kitOutcome{200, ""}},
		"validateRequest with a forged token": {"`validateRequest` with a forged or expired token", false, func(p *kitPerson, d kitData) kitAnswer {
			return bearer(p, "GET", me, forge(t, d.Access, `"name":"`, `"name":"not `))
		}, kitOutcome{200, ""}, kitOutcome{401, "AUTH_INVALID_ACCESS_TOKEN"}},
		"validateRequest with an expired token": {"`validateRequest` with a forged or expired token", false, func(p *kitPerson, d kitData) kitAnswer {
			return bearer(p, "GET", me, forge(t, d.Access, `"exp":`, `"exp":1,"was":`))
		}, kitOutcome{200, ""}, kitOutcome{401, "AUTH_INVALID_ACCESS_TOKEN"}},

		"validateRequestByCookie": {"", false, func(p *kitPerson, d kitData) kitAnswer {
			return p.ask("GET", "/export", nil)
		}, kitOutcome{200, ""}, kitOutcome{200, ""}},
		"validateRequestByCookie by HEAD": {"`validateRequestByCookie` by HEAD", false, func(p *kitPerson, d kitData) kitAnswer {
			return p.ask("HEAD", "/export", nil)
		}, kitOutcome{401, ""}, kitOutcome{200, ""}},
		"validateRequestByCookie by POST": {"`validateRequestByCookie` by POST", false, func(p *kitPerson, d kitData) kitAnswer {
			return p.ask("POST", "/export", nil)
		}, kitOutcome{401, "AUTH_INVALID_REQUEST_METHOD"}, kitOutcome{405, "AUTH_INVALID_REQUEST_METHOD"}},
		"validateRequestByCookie, signed out": {"", false, func(p *kitPerson, d kitData) kitAnswer {
			p.drop("access_token")
			p.drop("encrypt_refresh_token")
			p.drop("fingerprint_token")
			return p.ask("GET", "/export", nil)
		}, kitOutcome{401, "AUTH_INVALID_ACCESS_TOKEN"}, kitOutcome{401, "AUTH_INVALID_ACCESS_TOKEN"}},

		"validateFormSubmission": {"", false, func(p *kitPerson, d kitData) kitAnswer {
			return p.ask("POST", "/name", url.Values{"_lucia": {d.Access}, "name": {"Countess"}})
		}, kitOutcome{303, ""}, kitOutcome{303, ""}},
		"validateFormSubmission without a token": {"", false, func(p *kitPerson, d kitData) kitAnswer {
			return p.ask("POST", "/name", url.Values{"name": {"Countess"}})
		}, kitOutcome{401, "AUTH_INVALID_ACCESS_TOKEN"}, kitOutcome{401, "AUTH_INVALID_ACCESS_TOKEN"}},
	} {
		t.Run(name, func(t *testing.T) {
			checkRow(t, document, c.row, c.before, c.after)
			after := afterKit(t, kitTables{})
			check := func(app http.Handler, which string, want kitOutcome, down func() (up func())) {
				t.Helper()
				person := newKitPerson(t, app)
				data := person.enter("/signup", "Ada of "+name, "secret")
				if c.down {
					defer down()()
				}
				answer := c.ask(person, data)
				if got := (kitOutcome{answer.status, answer.code()}); got != want {
					t.Errorf("%s: %v, want %v: %.200s", which, got, want, answer.body)
				}
			}
			check(old, "before", c.before, func() func() {
				old.tell("down")
				return func() { old.tell("up") }
			})
			check(after, "after", c.after, after.StoreDown)
		})
	}
}

// TestSvelteKitRotation refreshes and repeats a refresh. Before, the repetition deletes all tokens
// of the user. After, it is answered like the first one.
func TestSvelteKitRotation(t *testing.T) {
	t.Parallel()
	old := startKit(t)
	after := afterKit(t, kitTables{})
	for name, c := range map[string]struct {
		app      http.Handler
		members  []string
		repeated kitOutcome
		left     int // sessions, or rows of refresh tokens
	}{
		"before": {old, []string{"access_token", "refresh_token"}, kitOutcome{500, "REQUEST_UNAUTHORIZED"}, 0},
		"after": {after, []string{"access_token", "expires_in", "refresh_token", "session_id", "user"},
			kitOutcome{200, ""}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			person, phone := newKitPerson(t, c.app), newKitPerson(t, c.app)
			data := person.enter("/signup", "Ada", "secret")
			phone.enter("/login", "Ada", "secret")
			answer := person.ask("POST", "/api/auth/refresh", nil, "Authorization", "Bearer "+data.Refresh)
			if got := memberNames(t, answer.body); !slices.Equal(got, c.members) {
				t.Errorf("a refresh returns %v, want %v", got, c.members)
			}
			fresh := person.data()
			if fresh.Access == data.Access || fresh.Refresh == data.Refresh {
				t.Error("the refresh has made no new tokens")
			}
			answer = person.ask("POST", "/api/auth/refresh", nil, "Authorization", "Bearer "+data.Refresh)
			if got := (kitOutcome{answer.status, answer.code()}); got != c.repeated {
				t.Errorf("the same token again: %v, want %v", got, c.repeated)
			}
			left := len(old.tables().RefreshTokens)
			if name == "after" {
				list, err := after.Store.List(t.Context(), data.User["user_id"])
				if err != nil {
					t.Fatal(err)
				}
				left = len(list)
			}
			if left != c.left {
				t.Errorf("%d of two sessions are left, want %d", left, c.left)
			}
		})
	}
}

// TestSvelteKitPages follows a session through pages: one without an access token, one after the
// user's data has changed, and one after the sign-out.
func TestSvelteKitPages(t *testing.T) {
	t.Parallel()
	old := startKit(t)
	after := afterKit(t, kitTables{})
	for name, c := range map[string]struct {
		app     http.Handler
		renamed string // what the next page shows
		cleared int    // lines that clear cookies
		down    func() (up func())
		kept    int // cookies after a page view while the database is down
	}{
		"before": {old, "Ada", 6, func() func() {
			old.tell("down")
			return func() { old.tell("up") }
		}, 0},
		"after": {after, "Countess", 3, after.StoreDown, 2},
	} {
		t.Run(name, func(t *testing.T) {
			person := newKitPerson(t, c.app)
			data := person.enter("/signup", "Ada", "secret")
			person.drop("access_token")
			fresh := person.data()
			if fresh.User["name"] != "Ada" || fresh.Access == data.Access || person.cookies()["access_token"] != fresh.Access {
				t.Errorf("a page without an access token has %v", fresh)
			}
			person.ask("POST", "/name", url.Values{"_lucia": {fresh.Access}, "name": {"Countess"}})
			renamed := person.data()
			if renamed.User["name"] != c.renamed {
				t.Errorf("the next page shows %v, want %s", renamed.User, c.renamed)
			}
			answer := person.ask("POST", "/api/auth/logout", nil, "Authorization", "Bearer "+renamed.Access)
			if len(answer.set) != c.cleared || len(person.cookies()) != 0 || answer.body != "" {
				t.Errorf("a sign-out sets %d cookies, want %d; %v stay", len(answer.set), c.cleared, person.cookies())
			}
			if data := person.data(); data.keys != nil {
				t.Errorf("after the sign-out _lucia is %v", data)
			}

			person.enter("/login", "Ada", "secret")
			person.drop("access_token")
			up := c.down()
			if data := person.data(); data.keys != nil {
				t.Errorf("while the database is down _lucia is %v", data)
			}
			up()
			if n := len(person.cookies()); n != c.kept {
				t.Errorf("after an outage %d cookies are left, want %d", n, c.kept)
			}
			if data := person.data(); (data.keys != nil) != (c.kept > 0) {
				t.Errorf("after an outage _lucia is %v", data)
			}
		})
	}
}

// TestSvelteKitClient calls lucia-sveltekit/client, the browser side of the old app, with both
// apps.
func TestSvelteKitClient(t *testing.T) {
	t.Parallel()
	old := startKit(t)
	after := afterKit(t, kitTables{})
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "bad gateway", http.StatusBadGateway)
	}))
	defer gateway.Close()
	gone := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler) // closes the connection
	}))
	defer gone.Close()
	for name, c := range map[string]struct {
		app          http.Handler
		unauthorized string
	}{
		"before": {old, "LuciaError REQUEST_UNAUTHORIZED"},
		"after":  {after, "LuciaError AUTH_UNAUTHORIZED"},
	} {
		t.Run(name, func(t *testing.T) {
			person := newKitPerson(t, c.app)
			data := person.enter("/signup", "Ada", "secret")
			var cookies []string
			for _, cookie := range person.http.Jar.Cookies(&url.URL{Scheme: "https", Host: "app.example", Path: "/"}) {
				cookies = append(cookies, cookie.Name+"="+cookie.Value)
			}
			server := httptest.NewServer(c.app)
			defer server.Close()
			type call struct {
				Name     string `json:"name"`
				Server   string `json:"server"`
				Argument string `json:"argument,omitempty"`
			}
			run := func(lucia any, calls ...call) (results []string) {
				t.Helper()
				argument, err := json.Marshal(map[string]any{
					"cookie": strings.Join(cookies, "; "), "_lucia": lucia, "calls": calls,
				})
				if err != nil {
					t.Fatal(err)
				}
				cmd := exec.CommandContext(t.Context(), testenv.Require(t, "node"), "testdata/client.mjs", string(argument))
				cmd.Dir = kitDir
				out, err := cmd.Output()
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(out, &results); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				return results
			}
			page := map[string]any{"user": data.User, "access_token": data.Access, "refresh_token": data.Refresh}
			got := run(page,
				call{"refreshTokens", server.URL, "not a token"},
				call{"refreshTokens", gateway.URL, data.Refresh},
				call{"refreshTokens", gone.URL, data.Refresh},
				call{"refreshTokens", server.URL, data.Refresh},
			)
			want := []string{c.unauthorized, "LuciaError UNKNOWN_ERROR", "TypeError", "access_token refresh_token"}
			if !slices.Equal(got, want) {
				t.Errorf("refreshTokens: %q, want %q", got, want)
			}
			if got, want := run(nil, call{Name: "signOut", Server: server.URL}), "LuciaError AUTH_NOT_AUTHENTICATED"; got[0] != want {
				t.Errorf("signOut without a session: %q, want %q", got, want)
			}
			// The tokens of the page before the refresh.
			if got := run(page, call{Name: "signOut", Server: gateway.URL}, call{Name: "signOut", Server: server.URL}); !slices.Equal(got, []string{"LuciaError UNKNOWN_ERROR", ""}) {
				t.Errorf("signOut: %q", got)
			}
			if data := person.data(); name == "after" && data.keys != nil {
				t.Errorf("after the sign-out _lucia is %v", data)
			}
		})
	}
}
