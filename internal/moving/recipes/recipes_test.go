package recipes_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	"github.com/descope/virtualwebauthn"
	"golang.org/x/oauth2"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/internal/moving/people"
	"github.com/lucia-go/lucia/internal/moving/recipes"
	"github.com/lucia-go/lucia/luciatest"
)

var secret = bytes.Repeat([]byte("s"), 32)

func newKit(t *testing.T, change ...func(*lucia.Config[people.Profile])) *luciatest.Kit[people.Profile] {
	t.Helper()
	return luciatest.New(t, map[string]people.Profile{"u1": {Name: "Ada"}, "u2": {Name: "Grace"}}, change...)
}

// account is a page behind Require.
func account(auth *lucia.Auth[people.Profile]) http.Handler {
	return auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("Account of " + auth.Session(r.Context()).User.Data.Name))
	}))
}

// provider is an OpenID Connect provider at https://idp.example.
type provider struct {
	key  *ecdsa.PrivateKey
	keys oidctest.Server

	mu    sync.Mutex
	codes map[string]url.Values // the authorization requests
	sids  int
	nonce string // in place of the request's, if not empty
}

const issuer = "https://idp.example"

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key, codes: map[string]url.Values{}}
	p.keys = oidctest.Server{
		PublicKeys: []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k", Algorithm: oidc.ES256}},
		Algorithms: []string{oidc.ES256},
	}
	p.keys.SetIssuer(issuer)
	return p
}

func (p *provider) sign(claims map[string]any) string {
	claims["iss"], claims["aud"] = issuer, "shop"
	claims["iat"], claims["exp"] = time.Now().Unix(), time.Now().Add(time.Minute).Unix()
	text, _ := json.Marshal(claims)
	return oidctest.SignIDToken(p.key, "k", oidc.ES256, string(text))
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Header().Set("Content-Type", "text/html")
	switch r.URL.Path {
	case "/auth":
		if r.Method == http.MethodGet {
			code := rand.Text()
			p.codes[code] = r.URL.Query()
			fmt.Fprintf(w, `<form method="post"><input type="hidden" name="code" value="%s"><button name="allow" value="1">Allow</button><button name="cancel" value="1">Cancel</button></form>`, code)
			return
		}
		request := p.codes[r.FormValue("code")]
		answer := url.Values{"code": {r.FormValue("code")}, "state": {request.Get("state")}}
		if r.FormValue("cancel") != "" {
			answer.Del("code")
			answer.Set("error", "access_denied")
		}
		if request.Get("response_mode") != "form_post" {
			http.Redirect(w, r, request.Get("redirect_uri")+"?"+answer.Encode(), http.StatusSeeOther)
			return
		}
		fmt.Fprintf(w, `<form method="post" action="%s"><input type="hidden" name="code" value="%s"><input type="hidden" name="error" value="%s"><input type="hidden" name="state" value="%s"><button name="go" value="1">Go</button></form>`,
			request.Get("redirect_uri"), answer.Get("code"), answer.Get("error"), answer.Get("state"))
	case "/token":
		request, ok := p.codes[r.FormValue("code")]
		delete(p.codes, r.FormValue("code"))
		challenge := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if !ok || base64.RawURLEncoding.EncodeToString(challenge[:]) != request.Get("code_challenge") {
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		p.sids++
		token := p.sign(map[string]any{"sub": "ada@idp", "name": "Ada", "nonce": cmp.Or(p.nonce, request.Get("nonce")), "sid": fmt.Sprint("sid-", p.sids)})
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": token})
	default:
		p.keys.ServeHTTP(w, r)
	}
}

// oidcApp is an app with the recipe, beside the provider.
func oidcApp(t *testing.T, formPost bool) (*luciatest.Kit[people.Profile], *provider, http.Handler) {
	t.Helper()
	kit, idp := newKit(t), newProvider(t)
	client := &http.Client{Transport: luciatest.Transport(idp)}
	p, err := recipes.NewProvider(t.Context(), kit.Auth, secret, oauth2.Config{
		ClientID: "shop", ClientSecret: "client secret", RedirectURL: "https://app.example/callback",
	}, issuer, formPost, client)
	if err != nil {
		t.Fatal(err)
	}
	p.UserID = func(_ context.Context, subject, name string) (string, error) {
		if subject != "ada@idp" || name != "Ada" {
			t.Errorf("subject %q, name %q", subject, name)
		}
		return "u1", nil
	}
	app := http.NewServeMux()
	app.HandleFunc("GET /login", p.Login)
	app.HandleFunc("/callback", p.Callback)
	app.HandleFunc("POST /backchannel", p.BackChannelLogout)
	app.Handle("GET /account", account(kit.Auth))
	app.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { people.Show(w, people.View{}) })
	sites := http.NewServeMux()
	sites.Handle("/", nethttp.Wrap(kit.Auth, app))
	sites.Handle("idp.example/", idp)
	return kit, idp, sites
}

func TestOpenIDConnect(t *testing.T) {
	t.Parallel()
	for name, formPost := range map[string]bool{"redirect": false, "form post": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit, idp, sites := oidcApp(t, formPost)
			signIn := func(browser *luciatest.Browser) *luciatest.Tab {
				t.Helper()
				tab := browser.Open("/account")
				if tab.Page().URL.Host != "idp.example" {
					t.Fatalf("a signed-out visitor is at %s, want the provider", tab.Page().URL)
				}
				tab.Submit(url.Values{"allow": {"1"}})
				if formPost {
					tab.Submit(url.Values{"go": {"1"}})
				}
				if page := tab.Page(); page.Body != "Account of Ada" || page.URL.Path != "/account" {
					t.Fatalf("after the sign-in: %d %s %q", page.Status, page.URL, page.Body)
				}
				return tab
			}
			phone, laptop := signIn(luciatest.NewBrowser(t, sites)), signIn(luciatest.NewBrowser(t, sites))

			logout := func(token string, status int) {
				t.Helper()
				r := httptest.NewRequest("POST", "https://app.example/backchannel", strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				w := httptest.NewRecorder()
				if sites.ServeHTTP(w, r); w.Code != status {
					t.Errorf("back-channel logout: %d %s, want %d", w.Code, w.Body, status)
				}
			}
			events := map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}
			logout("", 400)
			logout(idp.sign(map[string]any{"sub": "ada@idp", "sid": "sid-1"}), 400) // an ID token
			up := kit.StoreDown()
			logout(idp.sign(map[string]any{"sub": "ada@idp", "sid": "sid-1", "jti": "1", "events": events}), 503)
			up()
			for range 2 {
				logout(idp.sign(map[string]any{"sub": "ada@idp", "sid": "sid-1", "jti": "1", "events": events}), 200)
			}
			if page := phone.Get("/account"); page.URL.Host != "idp.example" {
				t.Errorf("after the end of its session, the browser is at %s, want the provider", page.URL)
			}
			if page := laptop.Get("/account"); page.Body != "Account of Ada" {
				t.Errorf("another session: %d %s, want it alive", page.Status, page.URL)
			}
			logout(idp.sign(map[string]any{"sub": "ada@idp", "jti": "2", "events": events}), 200)
			if page := laptop.Get("/account"); page.URL.Host != "idp.example" {
				t.Errorf("after the end of all sessions, a browser is at %s, want the provider", page.URL)
			}
		})
	}
}

// TestOpenIDConnectCancelled checks that a person who cancels at the provider gets to a page for
// visitors. The login page would send them back to the provider.
func TestOpenIDConnectCancelled(t *testing.T) {
	t.Parallel()
	for _, formPost := range []bool{false, true} {
		kit, _, sites := oidcApp(t, formPost)
		tab := luciatest.NewBrowser(t, sites).Open("/account")
		tab.Submit(url.Values{"cancel": {"1"}})
		if formPost {
			tab.Submit(url.Values{"go": {"1"}})
		}
		page := tab.Page()
		if page.URL.Host != "app.example" || page.URL.Path != "/" || page.Status != 200 || !strings.Contains(page.Body, "Hello, stranger") {
			t.Errorf("form post %t: after a cancel the person is at %s: %d %q", formPost, page.URL, page.Status, page.Body)
		}
		if n := kit.Store.Calls().Create; n != 0 {
			t.Errorf("form post %t: %d sessions began, want none", formPost, n)
		}
	}
}

// TestOpenIDConnectChecksState checks that a response of the provider is accepted only in the
// browser that asked for it.
func TestOpenIDConnectChecksState(t *testing.T) {
	t.Parallel()
	for _, formPost := range []bool{false, true} {
		_, _, sites := oidcApp(t, formPost)
		w := httptest.NewRecorder()
		sites.ServeHTTP(w, httptest.NewRequest("GET", "https://app.example/login", nil))
		cookies, location := w.Result().Cookies(), w.Header().Get("Location")
		want := http.SameSiteLaxMode
		if formPost {
			want = http.SameSiteNoneMode
		}
		if len(cookies) != 1 || cookies[0].SameSite != want || !cookies[0].Secure {
			t.Errorf("the sign-in's cookies are %v", cookies)
		}
		at, err := url.Parse(location)
		if err != nil || at.Query().Get("code_challenge_method") != "S256" || at.Query().Get("nonce") == "" {
			t.Errorf("the person is sent to %s", location)
		}
		for name, test := range map[string]struct {
			state  string
			cookie bool
			status int
		}{
			"another browser": {at.Query().Get("state"), false, 400},
			"another state":   {"x", true, 400},
			"no state":        {"", true, 400},
			"its own":         {at.Query().Get("state"), true, 502}, // the code is not the provider's
		} {
			r := httptest.NewRequest("GET", "https://app.example/callback?code=x&state="+test.state, nil)
			if test.cookie {
				r.AddCookie(cookies[0])
			}
			w := httptest.NewRecorder()
			if sites.ServeHTTP(w, r); w.Code != test.status {
				t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, test.status)
			}
		}
	}
}

// TestOpenIDConnectChecksNonce checks that an ID token of another sign-in is refused.
func TestOpenIDConnectChecksNonce(t *testing.T) {
	t.Parallel()
	kit, idp, sites := oidcApp(t, false)
	idp.nonce = "another"
	tab := luciatest.NewBrowser(t, sites).Open("/account")
	page := tab.Submit(url.Values{"allow": {"1"}})
	if page.Status != http.StatusBadGateway || kit.Store.Calls().Create != 0 {
		t.Errorf("a token of another sign-in: %d %s, %d sessions, want 502 and none", page.Status, page.Body, kit.Store.Calls().Create)
	}
}

func TestPasskeys(t *testing.T) {
	t.Parallel()
	kit := newKit(t)
	passkeys, err := recipes.NewPasskeys(kit.Auth, secret, "app.example", "https://app.example")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /account", account(kit.Auth))
	mux.Handle("GET /login", http.NotFoundHandler())
	mux.Handle("/", passkeys.Routes())
	app := nethttp.Wrap(kit.Auth, mux)

	rp := virtualwebauthn.RelyingParty{ID: "app.example", Name: "Shop", Origin: "https://app.example"}
	device := virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte("u1")})
	key := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	fetch := func(tab *luciatest.Tab, path, body string, status int) string {
		t.Helper()
		page := tab.Fetch("POST", path, strings.NewReader(body))
		if page.Status != status {
			t.Fatalf("POST %s: %d %s, want %d", path, page.Status, page.Body, status)
		}
		return page.Body
	}
	// Ada is signed in and adds a passkey.
	first := kit.SignIn(luciatest.NewBrowser(t, app), "u1").Open("/account")
	creation, err := virtualwebauthn.ParseAttestationOptions(fetch(first, "/passkeys/new", "", 200))
	if err != nil {
		t.Fatal(err)
	}
	attestation := virtualwebauthn.CreateAttestationResponse(rp, device, key, *creation)
	fetch(first, "/passkeys", attestation, 204)
	fetch(first, "/passkeys", attestation, 401) // the challenge has been used
	device.AddCredential(key)

	// She signs in with it in another browser.
	browser := luciatest.NewBrowser(t, app)
	second := browser.Open("/account")
	request, err := virtualwebauthn.ParseAssertionOptions(fetch(second, "/login/passkey/new", "", 200))
	if err != nil {
		t.Fatal(err)
	}
	assertion := virtualwebauthn.CreateAssertionResponse(rp, device, key, *request)
	stranger := virtualwebauthn.CreateAssertionResponse(rp, device, virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2), *request)
	thief := luciatest.NewBrowser(t, app).Open("/account")
	fetch(thief, "/login/passkey", assertion, 401) // without the challenge's cookie
	fetch(second, "/login/passkey", stranger, 401)
	fetch(second, "/login/passkey", assertion, 401) // the challenge has been used
	request, err = virtualwebauthn.ParseAssertionOptions(fetch(second, "/login/passkey/new", "", 200))
	if err != nil {
		t.Fatal(err)
	}
	fetch(second, "/login/passkey", virtualwebauthn.CreateAssertionResponse(rp, device, key, *request), 204)
	if page := second.Get("/account"); page.Body != "Account of Ada" {
		t.Errorf("after the sign-in: %d %s", page.Status, page.Body)
	}
	// A signed-out visitor cannot add a passkey.
	if page := thief.Fetch("POST", "/passkeys/new", nil); page.Status != 401 {
		t.Errorf("a signed-out visitor adds a passkey: status %d, want 401", page.Status)
	}
}

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	kit := newKit(t, func(c *lucia.Config[people.Profile]) { c.Skip = recipes.HasAPIKey })
	key := "shop_" + rand.Text()
	keys := recipes.APIKeys{sha256.Sum256([]byte(key)): "u2"}
	app := nethttp.Wrap(kit.Auth, recipes.RequireUser(kit.Auth, keys, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(recipes.UserID(r.Context())))
	})))
	for name, test := range map[string]struct {
		header, session string
		status          int
		want            string
	}{
		"a key":              {"Bearer " + key, "", 200, "u2"},
		"a key and a cookie": {"Bearer " + key, "u1", 200, "u2"},
		"a cookie":           {"", "u1", 200, "u1"},
		"neither":            {"", "", 401, "AUTH_UNAUTHORIZED"},
		"another key":        {"Bearer shop_x", "u1", 401, "AUTH_UNAUTHORIZED"},
		"another token":      {"Bearer x", "u1", 401, "AUTH_UNAUTHORIZED"},
	} {
		r := httptest.NewRequest("POST", "https://app.example/api/orders", nil)
		if test.session != "" {
			r = kit.Request(test.session, "POST", "/api/orders", nil)
		}
		if test.header != "" {
			r.Header.Set("Authorization", test.header)
		}
		w := httptest.NewRecorder()
		if app.ServeHTTP(w, r); w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, w.Body, test.status, test.want)
		}
	}
}

func TestSinglePageApp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const spa = "https://www.app.example"
		kit := newKit(t, func(c *lucia.Config[people.Profile]) {
			c.Hardened = true
			c.TrustedOrigins = []string{spa}
		})
		mux := http.NewServeMux()
		mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
			if _, err := kit.Auth.SignIn(w, r, "u1"); err != nil {
				lucia.WriteError(w, err)
			}
		})
		mux.Handle("/api/me", account(kit.Auth))
		app := recipes.CORS(spa, nethttp.Wrap(kit.Auth, mux))
		cookies := map[string]string{}
		fetch := func(method, path, origin string, status int) *http.Response {
			t.Helper()
			r := httptest.NewRequest(method, "https://api.app.example"+path, nil)
			r.Header.Set("Origin", origin)
			r.Header.Set("Sec-Fetch-Site", "same-site")
			r.Header.Set("Sec-Fetch-Mode", "cors")
			r.Header.Set("Sec-Fetch-Dest", "empty")
			for name, value := range cookies {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			if method == http.MethodOptions {
				r.Header.Set("Access-Control-Request-Method", "POST")
			}
			w := httptest.NewRecorder()
			app.ServeHTTP(w, r)
			answer := w.Result()
			for _, c := range answer.Cookies() {
				if cookies[c.Name] = c.Value; c.MaxAge < 0 {
					delete(cookies, c.Name)
				}
			}
			allowed := answer.Header.Get("Access-Control-Allow-Origin") == spa
			if answer.StatusCode != status || allowed != (origin == spa) {
				t.Errorf("%s %s from %s: %d %s %v", method, path, origin, answer.StatusCode, w.Body, answer.Header)
			}
			return answer
		}
		fetch("OPTIONS", "/login", spa, 204)
		fetch("GET", "/api/me", spa, 401)
		fetch("POST", "/login", "https://evil.app.example", 403)
		fetch("POST", "/login", spa, 200)
		fetch("GET", "/api/me", spa, 200)
		fetch("POST", "/api/me", spa, 200)
		fetch("POST", "/api/me", "https://evil.app.example", 403)
		kit.PassAccessTTL()
		fetch("GET", "/api/me", spa, 200) // refreshed in the same request
		kit.PassAccessTTL()
		fetch("POST", "/api/me", spa, 200)
		fetch("POST", "/api/auth/logout", spa, 204)
		fetch("GET", "/api/me", spa, 401)
	})
}

func TestRoles(t *testing.T) {
	t.Parallel()
	kit := newKit(t)
	roles := map[string]recipes.Role{"acme/u1": recipes.Admin, "acme/u2": recipes.Member}
	roleOf := func(_ context.Context, org, userID string) (recipes.Role, error) { return roles[org+"/"+userID], nil }
	mux := http.NewServeMux()
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
	mux.Handle("GET /orgs/{org}", recipes.RequireRole(kit.Auth, recipes.Member, roleOf, page))
	mux.Handle("POST /orgs/{org}/members", recipes.RequireRole(kit.Auth, recipes.Admin, roleOf, page))
	app := nethttp.Wrap(kit.Auth, mux)
	check := func(user, method, path string, status int) {
		t.Helper()
		r := httptest.NewRequest(method, "https://app.example"+path, nil)
		if user != "" {
			r = kit.Request(user, method, path, nil)
		}
		w := httptest.NewRecorder()
		if app.ServeHTTP(w, r); w.Code != status {
			t.Errorf("%s: %s %s: status %d, want %d", cmp.Or(user, "a visitor"), method, path, w.Code, status)
		}
	}
	check("", "GET", "/orgs/acme", 401)
	check("u1", "GET", "/orgs/acme", 200)
	check("u2", "GET", "/orgs/acme", 200)
	check("u1", "POST", "/orgs/acme/members", 200)
	check("u2", "POST", "/orgs/acme/members", 403)
	check("u1", "GET", "/orgs/other", 404)
	roles["acme/u1"] = recipes.Member // takes effect at once, in the same session
	check("u1", "POST", "/orgs/acme/members", 403)
}

func TestEventsEndWithTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := newKit(t)
		mux := http.NewServeMux()
		mux.Handle("GET /events", recipes.Events(kit.Auth, time.Minute))
		mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
		tab := kit.SignIn(luciatest.NewBrowser(t, nethttp.Wrap(kit.Auth, mux)), "u1").Open("/")
		start := time.Now()
		go func() {
			time.Sleep(time.Hour + time.Second)
			if err := kit.Auth.RevokeUser(t.Context(), "u1"); err != nil {
				t.Error(err)
			}
		}()
		page := tab.Fetch("GET", "/events", nil)
		if n := strings.Count(page.Body, "data: Hello, Ada\n\n"); page.Status != 200 || n != 61 {
			t.Errorf("%d with %d events, want 61: one a minute while the session lives", page.Status, n)
		}
		if d := time.Since(start); d != time.Hour+time.Second {
			t.Errorf("the stream took %v, want an hour and a second", d)
		}
		if page := tab.Fetch("GET", "/events", nil); page.Status != 401 {
			t.Errorf("after the end of the session: status %d, want 401", page.Status)
		}
	})
}

func TestSocketEndsWithTheSession(t *testing.T) {
	t.Parallel()
	kit := newKit(t, func(c *lucia.Config[people.Profile]) { c.Dev = true })
	server := httptest.NewServer(nethttp.Wrap(kit.Auth, recipes.Socket(kit.Auth)))
	defer server.Close()
	header := http.Header{"Origin": {server.URL}}
	for _, c := range kit.Cookies("u1") {
		header.Add("Cookie", c.Name+"="+c.Value)
	}
	conn, _, err := websocket.Dial(t.Context(), server.URL, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := conn.Read(t.Context()); err != nil || string(message) != "hello" {
		t.Fatalf("read %q, %v", message, err)
	}
	if err := kit.Auth.RevokeUser(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	if _, _, err = conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("after the end of the session: %v, want a policy violation", err)
	}
	_, answer, err := websocket.Dial(t.Context(), server.URL, &websocket.DialOptions{HTTPHeader: header})
	if err == nil || answer == nil || answer.StatusCode != 401 {
		t.Errorf("after the end of the session: %v, %v, want 401", answer, err)
	}
}

// TestSwappedPagesInHardenedMode checks that pages have no tokens in hardened mode, and that htmx
// and Turbo need only the page data and the hidden field in what they swap.
func TestSwappedPagesInHardenedMode(t *testing.T) {
	t.Parallel()
	kit := newKit(t, func(c *lucia.Config[people.Profile]) { c.Hardened = true })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) { people.ShowLogin(w, "") })
	mux.Handle("GET /{$}", kit.Auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		people.Show(w, people.View{
			Name:    kit.Auth.Session(r.Context()).User.Data.Name,
			Head:    lucia.PageData.HTML(r.Context()),
			Field:   lucia.FormField.HTML(r.Context()),
			SignOut: "/save",
		})
	})))
	mux.HandleFunc("POST /save", func(w http.ResponseWriter, r *http.Request) {
		session, err := kit.Auth.ValidateFormSubmission(r)
		if err != nil {
			lucia.Error(w, r, err)
			return
		}
		w.Write([]byte("saved by " + session.User.ID))
	})
	app := nethttp.Wrap(kit.Auth, mux)
	tab := kit.SignIn(luciatest.NewBrowser(t, app), "u1").Open("/")
	if body := tab.Page().Body; strings.Contains(body, "access_token") || strings.Contains(body, "eyJ") {
		t.Errorf("the page has a token: %s", body)
	}
	if page := tab.Submit(url.Values{"out": {"1"}}); page.Body != "saved by u1" {
		t.Errorf("the form: %d %s", page.Status, page.Body)
	}
	// Require sends signed-out visitors to the login page in the way of each library.
	for name, test := range map[string][2]string{
		"htmx":               {"HX-Request", "true"},
		"a boosted link":     {"HX-Boosted", "true"},
		"a Turbo frame":      {"Turbo-Frame", "main"},
		"a page of Unpoly's": {"X-Up-Version", "3.14.3"},
	} {
		r := httptest.NewRequest("GET", "https://app.example/", nil)
		r.Header.Set(test[0], test[1])
		r.Header.Set("Sec-Fetch-Mode", "cors")
		r.Header.Set("Sec-Fetch-Dest", "empty")
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		to := w.Header().Get("Location") + w.Header().Get("HX-Redirect") + w.Body.String()
		if w.Code != 303 && w.Code != 401 || !strings.Contains(to, "/login") {
			t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
		}
	}
}

// TestStoredStates uses stored states (Playwright's storageState). Such a state is a copy of a
// browser's cookies, as Steal makes it.
func TestStoredStates(t *testing.T) {
	t.Parallel()
	newApp := func(t *testing.T) (*luciatest.Kit[people.Profile], *luciatest.Browser) {
		kit := newKit(t)
		mux := http.NewServeMux()
		mux.Handle("GET /account", account(kit.Auth))
		mux.Handle("GET /login", http.NotFoundHandler())
		return kit, kit.SignIn(luciatest.NewBrowser(t, nethttp.Wrap(kit.Auth, mux)), "u1")
	}
	signedIn := func(tab *luciatest.Tab) bool { return tab.Get("/account").Status == 200 }

	t.Run("fresh states", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, browser := newApp(t)
			setup := browser.Open("/account")
			one, two := setup.Steal(), setup.Steal()
			for range 10 { // a run of tests within the lifetime of the access token
				time.Sleep(time.Minute)
				if !signedIn(one) || !signedIn(two) {
					t.Fatal("a test is signed out")
				}
			}
		})
	})
	t.Run("a state from an earlier run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, browser := newApp(t)
			setup := browser.Open("/account")
			earlier := setup.Steal()
			for range 60 { // the browser is used for an hour, and its tokens rotate
				time.Sleep(time.Minute)
				if !signedIn(setup) {
					t.Fatal("the browser is signed out")
				}
			}
			if signedIn(earlier) {
				t.Error("a token that was rotated long ago is accepted")
			}
			if signedIn(setup) {
				t.Error("the session is alive after a reuse")
			}
		})
	})
	t.Run("a sign-in for each", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			kit, browser := newApp(t)
			one := browser.Open("/account")
			app := nethttp.Wrap(kit.Auth, account(kit.Auth))
			two := kit.SignIn(luciatest.NewBrowser(t, app), "u1").Open("/account")
			for range 60 {
				time.Sleep(time.Minute)
				if !signedIn(one) || !signedIn(two) {
					t.Fatal("a test is signed out")
				}
			}
		})
	})
}
