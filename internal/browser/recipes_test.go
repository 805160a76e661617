package browser_test

import (
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/internal/browser"
	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/middleware"
)

// recipe returns the code block of the README that begins with start, so that the tests use the
// code that readers copy.
func recipe(t *testing.T, start string) string {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "\n"+start)
	code, _, closed := strings.Cut(rest, "\n```")
	if !found || !closed {
		t.Fatalf("the README has no code that begins with %q", start)
	}
	return start + code + "\n"
}

// serve starts a site with one more page, which has body and the page data, and with the files of
// the folder static.
func serve(t *testing.T, policies http.Header, data middleware.Component, body, static string) *site {
	t.Helper()
	return newSiteOf(t, time.Minute, func(s *site) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", s.pages())
		mux.HandleFunc("GET /recipe", func(w http.ResponseWriter, r *http.Request) {
			for name, values := range policies {
				w.Header()[name] = values
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(w, `<!doctype html><link rel="icon" href="/testdata/site/icon.svg">%s%s`, body, data.HTML(r.Context()))
		})
		mux.Handle("GET /static/", http.StripPrefix("/static", http.FileServer(http.Dir(static))))
		return nethttp.Wrap(s.auth, mux)
	})
}

// strict is the policy that the README says the module works with.
const strict = "default-src 'none'; img-src 'self'; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"

// The app of the README, bundled as described there, runs under the strictest policies. With
// esbuild one of them requires a hash for every script.
func testEsbuildRecipe(t *testing.T, b *chrometest.Browser) {
	command := strings.Fields(recipe(t, "npx esbuild "))
	testBundleRecipe(t, b, http.Header{"Integrity-Policy": {"blocked-destinations=(script)"}}, tool(t, "esbuild"), command[2:]...)
}

func testViteRecipe(t *testing.T, b *chrometest.Browser) {
	testBundleRecipe(t, b, http.Header{}, tool(t, "vite"), "build")
}

func testBundleRecipe(t *testing.T, b *chrometest.Browser, policies http.Header, bundler string, args ...string) {
	dir := t.TempDir()
	app := recipe(t, "// app.js\n") + "\ngetSession().subscribe((session) => (window.session = session));\n" +
		"window.refresh = (await import(\"./lucia.js\")).refreshTokens;\n"
	for name, content := range map[string]string{
		"app.js":         app,
		"lucia.js":       string(browser.Client().Body),
		"vite.config.js": recipe(t, "// vite.config.js\n"),
		"package.json":   `{"type":"module"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bundle := exec.CommandContext(t.Context(), bundler, args...)
	bundle.Dir = dir
	if out, err := bundle.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", bundler, err, out)
	}
	static := filepath.Join(dir, "static")
	script, err := os.ReadFile(filepath.Join(static, "app.js"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha512.Sum384(script)
	tag := `<script type="module" src="/static/app.js" integrity="sha384-` + base64.StdEncoding.EncodeToString(sum[:]) + `"></script>`
	policies.Set("Content-Security-Policy", strict)
	s := serve(t, policies, middleware.DataBlock, tag, static)
	tab := signIn(t, s, b.Person(t), "u1")
	tab.Open(s.URL + "/recipe")
	tab.Until("window.refresh && session.user.user_id === 'u1'")
	before := s.refreshes.Load()
	tab.Eval("refresh()", nil)
	if n := s.refreshes.Load() - before; n != 1 {
		t.Errorf("%d requests to refresh, want 1", n)
	}
}

// The script tag of the page data runs under the strictest content security policy. An integrity
// policy blocks it.
func testPolicies(t *testing.T, b *chrometest.Browser) {
	const watch = `document.addEventListener("lucia:session", ({ detail }) => (window.session = detail.session))`
	t.Run("content security policy", func(t *testing.T) {
		s := serve(t, http.Header{"Content-Security-Policy": {strict}}, middleware.PageData, "", "")
		tab := signIn(t, s, b.Person(t), "u1", watch)
		tab.Open(s.URL + "/recipe")
		tab.Until("session.user.user_id === 'u1'")
		tab.Until(anotherSecond)
		tab.Eval("void (window.old = session.access_token)", nil)
		tab.Eval(`import("/api/auth/client.js").then(({ refreshTokens }) => refreshTokens())`, nil)
		tab.Until("session.access_token !== old")
	})
	t.Run("integrity policy", func(t *testing.T) {
		s := serve(t, http.Header{"Integrity-Policy": {"blocked-destinations=(script)"}}, middleware.PageData, "", "")
		tab := signIn(t, s, b.Person(t), "u1", watch)
		tab.Open(s.URL + "/recipe")
		if session := tab.Text("typeof window.session"); session != "undefined" {
			t.Error("the module runs without a hash: the README is wrong")
		}
		tab.Faults() // the browser reports the blocked script
	})
}

// In a browser that blocks cookies a sign-in has no effect, nothing on the page fails, and the
// notice of the README explains why.
func testCookiesBlocked(t *testing.T, _ *chrometest.Browser) {
	profile := t.TempDir()
	chrometest.BlockCookies(t, profile)
	notice := recipe(t, `<p id="cookies" hidden>`)
	s := serve(t, nil, middleware.PageData, notice, "")
	tab := chrometest.StartOn(t, profile).Owner().Tab(t, `document.addEventListener("lucia:session", ({ detail }) => (window.detail = detail))`)
	tab.Open(s.URL + "/login/u1")
	tab.Until("window.ready && session === null && " + who + " === 'no session'")
	const storage = "(() => { try { return typeof localStorage } catch ({ name }) { return name } })()"
	if got := tab.Text(storage); got != "SecurityError" {
		t.Errorf("storage is %s, so this browser does not block it", got)
	}
	tab.Open(s.URL + "/recipe")
	tab.Until("window.detail && detail.session === null && !document.querySelector('#cookies').hidden")
	if code := tab.Text(`import("/api/auth/client.js").then(({ refreshTokens }) => refreshTokens()).then(() => "", ({ message }) => message)`); code != "AUTH_UNAUTHORIZED" {
		t.Errorf("a refresh ends with %q", code)
	}
}

// A browser that keeps cookies shows no notice.
func testCookiesKept(t *testing.T, b *chrometest.Browser) {
	s := serve(t, nil, middleware.PageData, recipe(t, `<p id="cookies" hidden>`), "")
	tab := b.Person(t).Tab(t, `document.addEventListener("lucia:session", () => (window.told = true))`)
	tab.Open(s.URL + "/recipe")
	tab.Until("window.told && document.querySelector('#cookies').hidden")
}

// The session works if only storage is blocked. It is refreshed, a sign-out in another tab has an
// effect, and the page of another user is stale.
func testStorageBlocked(t *testing.T, b *chrometest.Browser) {
	const blocked = `for (const name of ["localStorage", "sessionStorage"]) {
		Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError") } });
	}`
	s := newSite(t, time.Minute)
	person := b.Person(t)
	tab := signIn(t, s, person, "u1", blocked)
	tab.Until(anotherSecond)
	tab.Eval("void (window.kept = true, window.old = session.access_token)", nil)
	tab.Eval("lucia.refreshTokens()", nil)
	tab.Until("session.access_token !== old")
	other := another(t, s, person, blocked)
	other.Eval("lucia.signOut()", nil)
	tab.Until("kept && session === null && !errors.length")
	signIn(t, s, person, "u1", blocked)
	tab.Until("kept && session?.user.user_id === 'u1'")
	signIn(t, s, person, "u2", blocked)
	tab.Until("kept && session === null && document.documentElement.inert")
}
