package adaptertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/dbsc"
	"github.com/lucia-go/lucia/luciatest"
	"github.com/lucia-go/lucia/session"
)

// early returns a browser with the cookies of the last sign-in, from before the binding.
func (w *boundWorld) early() *luciatest.Browser {
	b := w.plain()
	b.Client().Jar.SetCookies(&url.URL{Scheme: "https", Host: "app.example"}, w.first)
	return b
}

// later returns a browser with the cookies that b has now, but without its keys.
func (w *boundWorld) later(b *luciatest.Browser) *luciatest.Browser {
	thief := w.plain()
	var copied []*http.Cookie
	for _, c := range b.Cookies() {
		copied = append(copied, &http.Cookie{Name: c.Name, Value: c.Value, Path: "/", Secure: true, HttpOnly: true})
	}
	thief.Client().Jar.SetCookies(&url.URL{Scheme: "https", Host: "app.example"}, copied)
	return thief
}

// sessionOf returns the identifier of the browser's session.
func (w *boundWorld) sessionOf(b *luciatest.Browser) string {
	w.t.Helper()
	ids := b.BoundSessions()
	if len(ids) != 1 {
		w.t.Fatalf("the browser has the keys of %d sessions", len(ids))
	}
	return ids[0]
}

// found checks that a theft has been detected and the user's sessions have ended.
func (w *boundWorld) found(owner *luciatest.Tab) {
	w.t.Helper()
	want(w.t, "reuse", w.happened(session.EventReuse), 1)
	live, err := w.store.List(w.t.Context(), "u1")
	if err != nil || len(live) > 0 {
		w.t.Errorf("live sessions: %d, %v", len(live), err)
	}
	want(w.t, "page of the owner", owner.Get("/private").URL.Path, "/login")
}

func testThiefBefore(t *testing.T, w *boundWorld) {
	tab := w.signIn(w.browser())
	w.device(tab, "fresh, bound true")
	thief := w.early().Open("/device")
	want(t, "thief, before the binding is in force", thief.Page().Body, "fresh, bound false")
	time.Sleep(accessTTL - time.Minute)
	want(t, "thief refreshes in step", thief.Get("/device").Body, "fresh, bound false")
	time.Sleep(2 * time.Minute)
	want(t, "thief refreshes in step", thief.Get("/device").Body, "refreshed, bound false")
	w.device(tab, "fresh, bound true") // in force from here on
	time.Sleep(pastTTL)
	want(t, "thief, after it", thief.Get("/device").Body, "reused, bound false")
	w.found(tab)
}

// testThiefAfter copies the jar again and again, in step with its owner.
func testThiefAfter(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	for range 5 {
		thief := w.later(b).Open("/device")
		want(t, "thief, as long as the access token lives", thief.Page().Body, "fresh, bound true")
		thief.Get("/page")
		time.Sleep(pastTTL)
		w.costs("a thief", 0, func() {
			want(t, "page", thief.Get("/device").Body, "expired, bound false")
			want(t, "private page", thief.Get("/private").URL.Path, "/login")
			want(t, "script", thief.Fetch("GET", "/private", nil).Status, 401)
			want(t, "session", strings.Contains(thief.Fetch("GET", "/api/auth/session", nil).Body, `"_lucia":null`), true)
			thief.Get("/page")
			want(t, "POST refresh", thief.Fetch("POST", "/api/auth/refresh", nil).Status != 200, true)
		})
		w.device(tab, "fresh, bound true")
	}
	want(t, "presented without the device", w.happened(session.EventUnbound) > 0, true)
	want(t, "reuse", w.happened(session.EventReuse), 0)
}

func testThiefProofs(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	id := w.sessionOf(b)
	time.Sleep(pastTTL)
	w.device(tab, "fresh, bound true")
	thief := w.later(b)
	overheard := w.proofs[len(w.proofs)-1]

	w.costs("a thief without a proof", 0, func() {
		resp := w.send(thief, "", dbsc.HeaderID, id)
		want(t, "status", resp.StatusCode, 403)
		challenge, ok := dbsc.ParseChallenge(resp.Header.Get(dbsc.HeaderChallenge))
		want(t, "challenge", ok && challenge.ID == id, true)
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for name, proof := range map[string]string{
			"own key":                         dbsc.Sign(key, challenge.Value, false),
			"own key, contained in the proof": dbsc.Sign(key, challenge.Value, true),
			"garbled":                         "x.y.z",
			"intercepted, other signature":    overheard[:strings.LastIndexByte(overheard, '.')] + ".AAAA",
		} {
			resp := w.send(thief, "", dbsc.HeaderID, id, dbsc.HeaderResponse, proof)
			want(t, name, resp.StatusCode, 401)
			want(t, name+": cookies", len(resp.Header["Set-Cookie"]), 0)
		}
		for _, old := range w.proofs[:len(w.proofs)-1] {
			resp := w.send(thief, "", dbsc.HeaderID, id, dbsc.HeaderResponse, old)
			want(t, "an older proof", resp.StatusCode == 200, false)
		}
	})
	// The proof was for the token before this one, so it is useless at once.
	want(t, "an intercepted proof", w.send(thief, "", dbsc.HeaderID, id, dbsc.HeaderResponse, overheard).StatusCode == 200, false)
	time.Sleep(3 * time.Minute)
	resp := w.send(thief, "", dbsc.HeaderID, id, dbsc.HeaderResponse, overheard)
	want(t, "an intercepted proof, later", resp.StatusCode, 403)
	want(t, "refused proofs", w.happened(session.EventBindingRefused) > 0, true)
	time.Sleep(pastTTL)
	w.device(tab, "fresh, bound true")
}

// testThiefOtherSession presents a proof, a certificate and an identifier of the thief's own
// session with the victim's cookies.
func testThiefOtherSession(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	own := w.browser()
	w.signIn(own)
	time.Sleep(pastTTL)
	own.Open("/device")
	certificate, proof := w.query, w.proofs[len(w.proofs)-1]
	thief := w.later(b)
	for _, id := range []string{w.sessionOf(b), w.sessionOf(own)} {
		for _, query := range []string{"", certificate} {
			resp := w.send(thief, query, dbsc.HeaderID, id, dbsc.HeaderResponse, proof)
			want(t, "status of another session's proof is 200", resp.StatusCode == 200, false)
			want(t, "cookies", len(resp.Header["Set-Cookie"]), 0)
		}
	}
	w.device(tab, "fresh, bound true")
}

func testThiefStrips(t *testing.T, w *boundWorld) {
	w.strip = true
	b := w.browser()
	tab := w.signIn(b)
	w.strip = false
	for range 3 {
		time.Sleep(pastTTL)
		want(t, "page", strings.HasSuffix(tab.Get("/device").Body, ", bound false"), true)
	}
	want(t, "bound", w.bound(), 0)
	want(t, "sessions of the browser", len(b.BoundSessions()), 0)
}

// register registers a key of the thief with a challenge, and returns the thief's browser with the
// bound cookies.
func (w *boundWorld) register(thief *luciatest.Browser, challenge string) (id string, key *ecdsa.PrivateKey, certificate string, status int) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequest("POST", "https://app.example/api/auth/bound", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set(dbsc.HeaderResponse, dbsc.Sign(key, challenge, true))
	resp, err := thief.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var in dbsc.Instructions
	if resp.StatusCode == 200 {
		if err := json.NewDecoder(resp.Body).Decode(&in); err != nil {
			w.t.Fatal(err)
		}
	}
	_, query, _ := strings.Cut(in.RefreshURL, "?")
	return in.SessionID, key, "?" + query, resp.StatusCode
}

// prove sends a proof of the thief's key and returns the status.
func (w *boundWorld) prove(thief *luciatest.Browser, id, certificate string, key *ecdsa.PrivateKey) int {
	w.t.Helper()
	challenge, _ := dbsc.ParseChallenge(w.send(thief, certificate, dbsc.HeaderID, id).Header.Get(dbsc.HeaderChallenge))
	return w.send(thief, certificate, dbsc.HeaderID, id, dbsc.HeaderResponse, dbsc.Sign(key, challenge.Value, false)).StatusCode
}

// testThiefRegisters has a thief who copies the cookies and the challenge of a sign-in, and
// registers a key within the minute. The second to use a bound token is detected.
func testThiefRegisters(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	thief := w.early()
	id, key, certificate, status := w.register(thief, w.challenge)
	want(t, "status", status, 200)
	want(t, "identifier", id, w.sessionOf(b))
	want(t, "first proof", w.prove(thief, id, certificate, key), 200)
	want(t, "thief", thief.Open("/device").Page().Body, "fresh, bound true")
	if generationOf(thief) == generationOf(b) {
		t.Skip("the two keys have the same tag, as one pair in two thousand does")
	}
	own := generationOf(thief)
	time.Sleep(accessTTL)
	again := w.later(b)
	want(t, "thief with the certificate and the owner's jar", w.prove(again, id, certificate, key), 200)
	want(t, "has no other generation than before", generationOf(again), own)
	want(t, "thief in force", w.prove(thief, id, certificate, key) == 200, true)
	time.Sleep(time.Minute)
	// Otherwise the owner's generation is the greater one.
	if page := tab.Get("/private"); page.URL.Path != "/login" {
		want(t, "page of the owner", page.Body, "u1 fresh")
		want(t, "thief, after the owner", w.prove(thief, id, certificate, key), 401)
	}
	w.found(tab)
}

// testThiefRegistersMany has a thief who registers key after key, in search of one with the tag of
// the owner's. With it they would have the owner's generation, and no one would be found.
func testThiefRegistersMany(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	thief := w.early()
	registered := 0
	for range 50 {
		if _, _, _, status := w.register(thief, w.challenge); status == 200 {
			registered++
		}
	}
	want(t, "the thief has more than a few keys", registered > 4, false)
	w.inForce(tab)
}

// generationOf returns the generation in a browser's access cookie.
func generationOf(b *luciatest.Browser) (gen string) {
	for _, c := range b.Cookies() {
		if c.Name == "__Host-access_token" {
			payload := strings.Split(c.Value, ".")[1]
			data, _ := base64.RawURLEncoding.DecodeString(payload)
			_, gen, _ = strings.Cut(string(data), `"gen":`)
			gen, _, _ = strings.Cut(gen, ",")
		}
	}
	return gen
}

// testThiefRegistersLate has a thief who copies the cookies and registers after the minute, or with
// a challenge of another session.
func testThiefRegistersLate(t *testing.T, w *boundWorld) {
	w.strip = true
	w.signIn(w.browser())
	thief, challenge := w.early(), w.challenge
	other := w.plain()
	w.signIn(other)
	_, _, _, status := w.register(thief, w.challenge)
	want(t, "with the challenge of another session", status, 401)
	_, _, _, status = w.register(w.plain(), challenge)
	want(t, "without cookies", status, 401)
	time.Sleep(61 * time.Second)
	_, _, _, status = w.register(thief, challenge)
	want(t, "after a minute", status, 401)
	page := thief.Open("/api/auth/bound?next=/device") // asks for another challenge
	want(t, "another challenge", page.Page().Header.Get(dbsc.HeaderRegistration), "")
	resp, err := thief.Client().Get("https://app.example/api/auth/bound?next=/device")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	want(t, "another challenge", resp.Header.Get(dbsc.HeaderRegistration), "")
}

// testThiefSkips has a thief who claims that the browser could not refresh.
func testThiefSkips(t *testing.T, w *boundWorld) {
	b := w.browser()
	w.inForce(w.signIn(b))
	thief := w.later(b)
	time.Sleep(pastTTL)
	for _, path := range []string{"/private", "/api/auth/session"} {
		r, err := http.NewRequest("GET", "https://app.example"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(dbsc.HeaderSkipped, `unreachable;session_identifier="`+w.sessionOf(b)+`"`)
		w.costs("a thief who skips", 0, func() {
			resp, err := thief.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			want(t, "status of "+path, resp.StatusCode, 503)
			want(t, "cookies of "+path, len(resp.Header["Set-Cookie"]), 0)
		})
	}
}

// testThiefBearer has a thief with the tokens of a page and the fingerprint.
func testThiefBearer(t *testing.T, w *boundWorld) {
	b := w.browser()
	tab := w.signIn(b)
	w.inForce(tab)
	tab.Get("/page")
	thief := tab.Steal()
	time.Sleep(pastTTL)
	w.costs("a thief with a bearer token", 0, func() {
		if err := thief.Refresh(); err == nil {
			t.Error("a bound bearer token refreshes")
		}
	})
	var keep []*http.Cookie
	for _, c := range b.Cookies() { // without the refresh cookie
		if c.Name == "__Host-fingerprint_token" {
			keep = append(keep, &http.Cookie{Name: c.Name, Value: c.Value, Path: "/", Secure: true})
		}
	}
	only := w.plain()
	only.Client().Jar.SetCookies(&url.URL{Scheme: "https", Host: "app.example"}, keep)
	data := tab.Page().Data["_lucia"]
	var tokens struct {
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(data, &tokens); err != nil || (tokens.Refresh == "") != w.hardened {
		t.Fatalf("page data %s: %v", data, err)
	}
	r, err := http.NewRequest("POST", "https://app.example/api/auth/refresh", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+tokens.Refresh)
	w.costs("a thief with a bearer token and the fingerprint", 0, func() {
		resp, err := only.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		want(t, "status is 200", resp.StatusCode == 200, false)
	})
	w.device(tab, "fresh, bound true")
}

func testThiefSocket(t *testing.T, w *boundWorld) {
	b := w.browser()
	w.inForce(w.signIn(b))
	thief := w.later(b)
	time.Sleep(pastTTL)
	r, err := http.NewRequest("GET", "https://app.example/private", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(websocket); i += 2 {
		r.Header.Set(websocket[i], websocket[i+1])
	}
	w.costs("a socket", 0, func() {
		resp, err := thief.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		want(t, "status", resp.StatusCode, 503)
	})
}
