package recipes_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/descope/virtualwebauthn"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/internal/moving/people"
	"github.com/lucia-go/lucia/internal/moving/recipes"
	"github.com/lucia-go/lucia/internal/testenv"
)

// TestPasskeyChallengeCountsOnce presents copies of a cookie and of the second half of a ceremony,
// as a thief does who has read both. The copy is refused.
func TestPasskeyChallengeCountsOnce(t *testing.T) {
	t.Parallel()
	kit := newKit(t)
	passkeys, err := recipes.NewPasskeys(kit.Auth, secret, "app.example", "https://app.example")
	if err != nil {
		t.Fatal(err)
	}
	app := nethttp.Wrap(kit.Auth, passkeys.Routes())
	post := func(path, body string, cookies []*http.Cookie) *http.Response {
		r := httptest.NewRequest("POST", "https://app.example"+path, strings.NewReader(body))
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		return w.Result()
	}
	read := func(answer *http.Response) string {
		t.Helper()
		var body strings.Builder
		if err := answer.Write(&body); err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%d %s: %v", answer.StatusCode, body.String(), err)
		}
		_, text, _ := strings.Cut(body.String(), "\r\n\r\n")
		return text
	}
	rp := virtualwebauthn.RelyingParty{ID: "app.example", Name: "Shop", Origin: "https://app.example"}
	device := virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte("u1")})
	key := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)

	session := kit.Cookies("u1")
	begin := post("/passkeys/new", "", session)
	pending := append(session, begin.Cookies()...)
	creation, err := virtualwebauthn.ParseAttestationOptions(read(begin))
	if err != nil {
		t.Fatal(err)
	}
	attestation := virtualwebauthn.CreateAttestationResponse(rp, device, key, *creation)
	for i, want := range []int{204, 401} {
		if got := post("/passkeys", attestation, pending).StatusCode; got != want {
			t.Errorf("registration %d: status %d, want %d", i+1, got, want)
		}
	}
	device.AddCredential(key)

	begin = post("/login/passkey/new", "", nil)
	request, err := virtualwebauthn.ParseAssertionOptions(read(begin))
	if err != nil {
		t.Fatal(err)
	}
	assertion := virtualwebauthn.CreateAssertionResponse(rp, device, key, *request)
	for i, want := range []int{204, 401} {
		if got := post("/login/passkey", assertion, begin.Cookies()).StatusCode; got != want {
			t.Errorf("sign-in %d: status %d, want %d", i+1, got, want)
		}
	}
}

// TestPasskeysInChromium runs the script of docs/recipes.md in Chromium, with its virtual
// authenticator.
func TestPasskeysInChromium(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "chromium")
	testenv.Require(t, "node")
	testenv.InstallPackages(t, "testdata")

	server := httptest.NewUnstartedServer(nil)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://localhost:" + port // a passkey belongs to a name, not to an address
	kit := newKit(t, func(c *lucia.Config[people.Profile]) { c.Dev = true })
	passkeys, err := recipes.NewPasskeys(kit.Auth, secret, "localhost", origin)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", passkeys.Routes())
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) { people.ShowLogin(w, "") })
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if id, ok := people.Check(r.FormValue("username"), r.FormValue("password")); !ok {
			http.Error(w, "Wrong name or password.", http.StatusForbidden)
		} else if _, err := kit.Auth.SignIn(w, r, id); err != nil {
			lucia.Error(w, r, err)
		} else {
			http.Redirect(w, r, "/", http.StatusSeeOther)
		}
	})
	mux.Handle("GET /account", account(kit.Auth))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><title>Shop</title>%s
<script type="module">
import { addPasskey, signInWithPasskey } from "/passkeys.js";
add.onclick = async () => { await addPasskey(); state.textContent = "Added."; };
use.onclick = async () => { await signInWithPasskey(); location.assign("/account"); };
</script>
<p id="state" role="status"></p><button id="add">Add a passkey</button><button id="use">Use a passkey</button>
<form method="post" action="/api/auth/logout">%s<button>Sign out</button></form>`,
			lucia.PageData.HTML(r.Context()), lucia.FormField.HTML(r.Context()))
	})
	server.Config.Handler = nethttp.Wrap(kit.Auth, mux)
	server.Start()
	defer server.Close()

	dir := t.TempDir()
	for _, name := range []string{"one.config.js", "passkeys.spec.js"} {
		content, err := os.ReadFile(filepath.Join("testdata/specs", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, string(content))
	}
	playwright(t, dir, origin, "--config=one.config.js")
}
