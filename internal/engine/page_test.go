package engine_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// onPage returns the session of a jar in the form that a page shows, decoded and as text.
func onPage(t testing.TB, m *engine.Engine[profile], j jar, cookies ...string) (s session.Session[profile], text string) {
	t.Helper()
	verified, err := m.Verify(j.access, j.fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.AppendSession([]byte("before"), &verified, nil, cookies)
	if err != nil {
		t.Fatal(err)
	}
	text = strings.TrimPrefix(string(b), "before")
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return s, text
}

// tokenOnPage returns the refresh token that a page gets in the jar's browser.
func tokenOnPage(t testing.TB, m *engine.Engine[profile], j jar) session.RefreshToken {
	t.Helper()
	s, _ := onPage(t, m, j, string(j.sealed))
	return s.RefreshToken
}

// A page gets the output of encoding/json, whether or not the token is cached and has been on a
// page before.
func TestPagesAreGivenTheSessionAsJSON(t *testing.T) {
	t.Parallel()
	for name, cache := range map[string]int{"cached": 0, "not cached": -1, "cache too small for one token": 1} {
		for _, id := range []string{"u1", `"</script>`, "Zoë\u2028\u2029&<>", "\x00\\", "_lucia", "\ufeff"} {
			m := newEngine(t, func(c *engine.Config[profile]) { c.Cache = cache })
			j := signIn(t, m, id)
			verified, err := m.Verify(j.access, j.fingerprint)
			if err != nil {
				t.Fatal(err)
			}
			for i, cookies := range [][]string{{string(j.sealed)}, {string(j.sealed)}, nil, {"x"}, {"x", string(j.sealed)}} {
				want := verified
				if i != 2 && i != 3 {
					want.RefreshToken = j.bearer
				}
				data, err := json.Marshal(want)
				if err != nil {
					t.Fatal(err)
				}
				if _, got := onPage(t, m, j, cookies...); got != string(data) {
					t.Errorf("%s, user %q, try %d:\n%s, want\n%s", name, id, i, got, data)
				}
			}
			want, _ := json.Marshal(session.Session[profile]{User: verified.User})
			if got, err := m.AppendUser(nil, &verified); err != nil || string(got) != string(want) {
				t.Errorf("%s: AppendUser = %s, %v, want %s", name, got, err, want)
			}
			signedIn := session.Session[profile]{User: verified.User, AccessToken: j.access, RefreshToken: j.bearer}
			want, _ = json.Marshal(signedIn)
			if got, err := m.AppendSession(nil, &signedIn, nil, []string{"x"}); err != nil || string(got) != string(want) {
				t.Errorf("%s: a session that has its refresh token: %s, %v, want %s", name, got, err, want)
			}
		}
	}
}

// A cookie is opened again unless it is, byte for byte, the one that was opened before.
func TestPagesAreGivenTheTokenOfTheirOwnCookie(t *testing.T) {
	t.Parallel()
	m := newEngine(t, nil)
	j, other := signIn(t, m, "u1"), signIn(t, m, "u1")
	own, foreign := string(j.sealed), string(other.sealed)
	stranger := string(signIn(t, newEngine(t, func(c *engine.Config[profile]) { c.Secret = []byte(strings.Repeat("x", 32)) }), "u1").sealed)
	next := j
	next.must(t, m, session.Rotated)
	for i, c := range []struct {
		cookies []string
		want    session.RefreshToken
	}{
		{[]string{own}, j.bearer},
		{[]string{foreign}, ""},
		{[]string{own[:len(own)-1]}, ""},
		{[]string{stranger}, ""},
		{nil, ""},
		{[]string{foreign, own}, j.bearer},
		{[]string{string(next.sealed)}, next.bearer},
		{[]string{own}, j.bearer},
		{[]string{own, string(next.sealed)}, j.bearer},
		{[]string{string(next.sealed), own}, next.bearer},
		{[]string{foreign}, ""},
	} {
		if s, _ := onPage(t, m, j, c.cookies...); s.RefreshToken != c.want {
			t.Errorf("step %d: refresh token %q, want %q", i, string(s.RefreshToken), string(c.want))
		}
	}
}

// A cookie that does not open is not kept, however many there are. The kept copies count towards
// the limit of the cache.
func TestPagesFillNoMemoryBeyondTheCache(t *testing.T) {
	t.Parallel()
	const bytes = 64 << 10
	m := newEngine(t, func(c *engine.Config[profile]) { c.Cache = bytes })
	j := signIn(t, m, "u1")
	j.use(t, m)
	_, before := m.Cached()
	onPage(t, m, j, string(j.sealed))
	_, after := m.Cached()
	if least := uint64(len(j.sealed) + len(j.bearer)); after < before+least {
		t.Errorf("a page weighs %d bytes, want at least %d", after-before, least)
	}
	for i := range 100 {
		onPage(t, m, j, fmt.Sprint(string(j.sealed), i))
		onPage(t, m, j, strings.Repeat("x", 4000))
	}
	if entries, weight := m.Cached(); entries != 1 || weight != after {
		t.Errorf("%d entries, %d bytes after pages with cookies that do not open, want 1 and %d", entries, weight, after)
	}
	for i := range 200 {
		j := signIn(t, m, fmt.Sprint("user", i))
		onPage(t, m, j, string(j.sealed))
	}
	if entries, weight := m.Cached(); weight > bytes || entries == 0 {
		t.Errorf("%d entries, %d bytes, want at most %d", entries, weight, bytes)
	}
}

// A session whose access token the app has changed is marshalled unchanged.
func TestPageOfAChangedSession(t *testing.T) {
	t.Parallel()
	m := newEngine(t, nil)
	j := signIn(t, m, "u1")
	for _, token := range []session.AccessToken{"", `"</script>`, "a.b.c", j.access[:20]} {
		s := session.Session[profile]{User: session.User[profile]{ID: "</script>"}, AccessToken: token}
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := m.AppendSession(nil, &s, nil, []string{string(j.sealed)}); err != nil || string(got) != string(want) {
			t.Errorf("AppendSession = %s, %v, want %s", got, err, want)
		}
	}
}

// A cached token is a copy, because the cache would retain the whole Cookie header otherwise. The
// form field shares the copy.
func TestFormFieldSharesTheCopyOfTheToken(t *testing.T) {
	t.Parallel()
	for _, around := range [][2]string{{"", ""}, {`<input value="`, `">`}} {
		m := newEngine(t, func(c *engine.Config[profile]) { c.FieldStart, c.FieldEnd = around[0], around[1] })
		j := signIn(t, m, "u1")
		header := "access_token=" + string(j.access) + "; x=y"
		inHeader := header[len("access_token="):][:len(j.access)]
		v, err := m.Accept(session.AccessToken(inHeader), j.fingerprint)
		if err != nil {
			t.Fatal(err)
		}
		token := v.Session().AccessToken
		if token != j.access || unsafe.StringData(string(token)) == unsafe.StringData(inHeader) {
			t.Errorf("around %q: the token %q is a part of the header or another one", around, string(token))
		}
		field := v.FormField(j.access)
		if want := around[0] + string(j.access) + around[1]; field != want {
			t.Errorf("field %q, want %q", field, want)
		}
		if part := field[len(around[0]):]; unsafe.StringData(part) != unsafe.StringData(string(token)) {
			t.Errorf("around %q: the token is kept twice", around)
		}
		if got := v.FormField(j.access[:20]); got != "" {
			t.Errorf("field of another token: %q", got)
		}
		if got := (*engine.Verified[profile])(nil).FormField(j.access); got != "" {
			t.Errorf("field of no token: %q", got)
		}
	}
}
