package flash_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/flash"
)

var (
	secret = bytes.Repeat([]byte("s"), 32)
	other  = bytes.Repeat([]byte("o"), 32)
)

func newFlash(t *testing.T, config flash.Config) *flash.Flash {
	t.Helper()
	if config.Secret == nil {
		config.Secret = secret
	}
	f, err := flash.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// set returns the cookie that f sets.
func set(t *testing.T, f *flash.Flash, name, value string) *http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	if err := f.Set(w, name, value); err != nil {
		t.Fatal(err)
	}
	cookies := w.Result().Cookies()
	if got := w.Header().Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	if len(cookies) != 1 {
		t.Fatalf("cookies %v, want one", cookies)
	}
	return cookies[0]
}

// take takes a value from a request with cookies.
func take(f *flash.Flash, name string, cookies ...*http.Cookie) (value string, ok bool, answer *http.Response) {
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	peeked, peekedOK := f.Peek(r, name)
	w := httptest.NewRecorder()
	value, ok = f.Take(w, r, name)
	if peeked != value || peekedOK != ok {
		panic("Peek and Take differ")
	}
	return value, ok, w.Result()
}

func TestValueComesBackOnce(t *testing.T) {
	t.Parallel()
	f := newFlash(t, flash.Config{})
	for _, value := range []string{"Saved.", "", "ü; \"quoted\"\n", strings.Repeat("x", flash.MaxValueBytes)} {
		cookie := set(t, f, "notice", value)
		if len(cookie.String()) > 4096 {
			t.Errorf("a value of %d bytes makes a cookie of %d", len(value), len(cookie.String()))
		}
		got, ok, answer := take(f, "notice", cookie)
		if got != value || !ok {
			t.Errorf("took %.20q, %t, want %.20q", got, ok, value)
		}
		cleared := answer.Cookies()
		if len(cleared) != 1 || cleared[0].Name != cookie.Name || cleared[0].MaxAge != -1 || cleared[0].Value != "" {
			t.Errorf("the answer sets %v, want the cookie cleared", cleared)
		}
		if got := answer.Header.Get("Cache-Control"); got != "private, no-store" {
			t.Errorf("Cache-Control %q", got)
		}
	}
}

// Each case is what one response does, beside other cookies, and what the browser has afterwards.
func TestSetAndTakeInOneResponse(t *testing.T) {
	t.Parallel()
	f := newFlash(t, flash.Config{})
	set := func(value string) func(*exchange) { return func(e *exchange) { e.set(value) } }
	take := func(value string, ok bool) func(*exchange) { return func(e *exchange) { e.take(value, ok) } }
	for name, test := range map[string]struct {
		sent string // the value that the browser sends, if any
		do   []func(*exchange)
		kept string // what the next request has, if anything
	}{
		"shown in the same response":     {"", do(set("a"), take("a", true)), ""},
		"shown once":                     {"", do(set("a"), take("a", true), take("", false)), ""},
		"the browser's is shown once":    {"old", do(take("old", true), take("", false)), ""},
		"replaced":                       {"", do(set("a"), set("b")), "b"},
		"replaced and shown":             {"", do(set("a"), set("b"), take("b", true), take("", false)), ""},
		"replaces the browser's":         {"old", do(set("a"), take("a", true), take("", false)), ""},
		"added to the browser's":         {"old", do(take("old", true), set("old, a")), "old, a"},
		"added, and shown":               {"old", do(take("old", true), set("old, a"), take("old, a", true)), ""},
		"set again after it was shown":   {"", do(set("a"), take("a", true), set("b")), "b"},
		"an empty value is a value, too": {"", do(set(""), take("", true), take("", false)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExchange(t, f, test.sent)
			for _, step := range test.do {
				step(e)
			}
			if got := e.next(); got != test.kept {
				t.Errorf("the next request has %q, want %q", got, test.kept)
			}
		})
	}
}

func do(steps ...func(*exchange)) []func(*exchange) { return steps }

// exchange is a request and its response, which also sets cookies with similar names.
type exchange struct {
	t   *testing.T
	f   *flash.Flash
	jar http.CookieJar
	r   *http.Request
	w   *httptest.ResponseRecorder
}

var exchangeURL = &url.URL{Scheme: "https", Host: "app.example", Path: "/"}

// newExchange returns an exchange in which the browser sends a value, unless it is empty.
func newExchange(t *testing.T, f *flash.Flash, sent string) *exchange {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &exchange{t, f, jar, httptest.NewRequest("GET", exchangeURL.String(), nil), httptest.NewRecorder()}
	if sent != "" {
		cookie := set(t, f, "notice", sent)
		e.r.AddCookie(cookie)
		jar.SetCookies(exchangeURL, []*http.Cookie{cookie})
	}
	for _, name := range []string{"a", "__Host-flash_notices", "__Host-flash_notic", "z"} {
		http.SetCookie(e.w, &http.Cookie{Name: name, Value: "1", Path: "/", Secure: true})
	}
	return e
}

func (e *exchange) set(value string) {
	if err := e.f.Set(e.w, "notice", value); err != nil {
		e.t.Fatal(err)
	}
}

func (e *exchange) take(value string, ok bool) {
	e.t.Helper()
	if got, gotOK := e.f.Take(e.w, e.r, "notice"); got != value || gotOK != ok {
		e.t.Errorf("took %q, %t, want %q, %t", got, gotOK, value, ok)
	}
}

// next returns the value that the browser's next request has.
func (e *exchange) next() string {
	e.t.Helper()
	answer := e.w.Result()
	seen := map[string]int{}
	for _, cookie := range answer.Cookies() {
		seen[cookie.Name]++
	}
	for name, n := range seen {
		if n > 1 {
			e.t.Errorf("the response sets %s %d times", name, n)
		}
	}
	for _, name := range []string{"a", "__Host-flash_notices", "__Host-flash_notic", "z"} {
		if seen[name] != 1 {
			e.t.Errorf("the response sets %s %d times, want once", name, seen[name])
		}
	}
	e.jar.SetCookies(exchangeURL, answer.Cookies())
	r := httptest.NewRequest("GET", exchangeURL.String(), nil)
	for _, cookie := range e.jar.Cookies(exchangeURL) {
		r.AddCookie(cookie)
	}
	value, _ := e.f.Peek(r, "notice")
	return value
}

func TestRequestWithoutValueChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFlash(t, flash.Config{})
	for _, name := range []string{"notice", "", "no such name"} {
		if value, ok, answer := take(f, name); ok || value != "" || len(answer.Header) != 0 {
			t.Errorf("%q: %q, %t, %v", name, value, ok, answer.Header)
		}
	}
}

func TestCookieAttributes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		config flash.Config
		want   string
	}{
		{flash.Config{}, "__Host-flash_a=; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax"},
		{flash.Config{Prefix: "shop-", TTL: time.Minute}, "__Host-shop-flash_a=; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax"},
		{flash.Config{CrossSite: true}, "__Host-flash_a=; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=None"},
		{flash.Config{Dev: true}, "flash_a=; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"},
	} {
		cookie := set(t, newFlash(t, test.config), "a", "value")
		cookie.Value = ""
		if cookie.String() != test.want {
			t.Errorf("%+v: %s, want %s", test.config, cookie, test.want)
		}
	}
}

func TestOnlyGenuineValuesAreTaken(t *testing.T) {
	t.Parallel()
	f := newFlash(t, flash.Config{})
	genuine := set(t, f, "notice", "genuine")
	refused := map[string]*http.Cookie{
		"of another name": {Name: genuine.Name, Value: set(t, f, "state", "planted").Value},
		"of another key":  set(t, newFlash(t, flash.Config{Secret: other}), "notice", "planted"),
		"empty":           {Name: genuine.Name},
		"not base64":      {Name: genuine.Name, Value: "notice!"},
		"shortened":       {Name: genuine.Name, Value: genuine.Value[:len(genuine.Value)-4]},
		"changed":         {Name: genuine.Name, Value: "A" + genuine.Value[1:]},
	}
	if strings.HasPrefix(genuine.Value, "A") {
		refused["changed"].Value = "B" + genuine.Value[1:]
	}
	for name, cookie := range refused {
		value, ok, answer := take(f, "notice", cookie)
		if ok || value != "" {
			t.Errorf("%s: took %q", name, value)
		}
		if len(answer.Cookies()) != 1 {
			t.Errorf("%s: not cleared", name)
		}
		if value, ok, _ := take(f, "notice", cookie, genuine); !ok || value != "genuine" {
			t.Errorf("%s before the genuine one: took %q, %t", name, value, ok)
		}
	}
}

func TestValueExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFlash(t, flash.Config{TTL: time.Minute})
		cookie := set(t, f, "notice", "Saved.")
		time.Sleep(time.Minute - time.Millisecond)
		if _, ok, _ := take(f, "notice", cookie); !ok {
			t.Error("a value expires early")
		}
		time.Sleep(time.Millisecond)
		if value, ok, _ := take(f, "notice", cookie); ok || value != "" {
			t.Errorf("took %q after its TTL", value)
		}
	})
}

func TestSecretMayChange(t *testing.T) {
	t.Parallel()
	cookie := set(t, newFlash(t, flash.Config{}), "notice", "Saved.")
	changed := newFlash(t, flash.Config{Secret: other, PreviousSecrets: [][]byte{secret}})
	if value, ok, _ := take(changed, "notice", cookie); !ok || value != "Saved." {
		t.Errorf("took %q, %t under the previous secret", value, ok)
	}
	if _, ok, _ := take(newFlash(t, flash.Config{}), "notice", set(t, changed, "notice", "new")); ok {
		t.Error("the previous secret seals")
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, config := range []flash.Config{
		{},
		{Secret: secret[:31]},
		{Secret: secret, PreviousSecrets: [][]byte{nil}},
		{Secret: secret, TTL: time.Millisecond},
		{Secret: secret, TTL: -time.Minute},
		{Secret: secret, CrossSite: true, Dev: true},
		{Secret: secret, Prefix: "a;b"},
	} {
		if _, err := flash.New(config); err == nil || strings.Contains(err.Error(), string(secret)) {
			t.Errorf("%+v: %v", config, err)
		}
	}
	f := newFlash(t, flash.Config{})
	for name, value := range map[string]string{"": "", "a b": "", "a=b": "", strings.Repeat("n", 65): "", "large": strings.Repeat("x", flash.MaxValueBytes+1)} {
		w := httptest.NewRecorder()
		if err := f.Set(w, name, value); err == nil || len(w.Header()) > 0 {
			t.Errorf("%q: %v, %v", name, err, w.Header())
		} else if errors.Is(err, flash.ErrTooLarge) != (name == "large") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
