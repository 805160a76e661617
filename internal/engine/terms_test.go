package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// allTerms are terms with every field set, for the time in a bubble of synctest. The attributes
// contain the strings that the parser searches for.
func allTerms() session.Terms {
	return session.Terms{
		AuthTime:   time.Unix(1_700_000_000, 0),
		Short:      true,
		EndsBy:     time.Unix(946_688_399, 0),
		Attributes: map[string]string{"org": "acme", "fingerprint_hash": `,"fingerprint_hash":"`, "é<": "\u2028}"},
		Actor:      &session.Actor{ID: `root "1"`, Reason: "ticket 12", SessionID: session.ID{15: 1}},
	}
}

// allTermsJSON are the claims of allTerms. They must never change, or sessions end with the
// release.
const allTermsJSON = `,"auth_time":1700000000,"short":true,"ends_by":946688399` +
	`,"attributes":{"fingerprint_hash":",\"fingerprint_hash\":\"","org":"acme","é\u003c":"\u2028}"}` +
	`,"act":{"sub":"root \"1\"","sid":"AAAAAAAAAAAAAAAAAAAAAQ","reason":"ticket 12"}`

// allTermsFields are the fields of allTerms in a sealed token, by flag.
var allTermsFields = [...]string{
	"\x00\x65\x53\xf1\x00",
	"",
	"\x00\x38\x6d\x51\x8f",
	"\x00\x51" + `{"fingerprint_hash":",\"fingerprint_hash\":\"","org":"acme","é\u003c":"\u2028}"}`,
	strings.Repeat("\x00", 15) + "\x01\x00\x08" + `root "1"` + "\x09ticket 12",
}

// begin signs a user in with terms.
func begin(t testing.TB, m *engine.Engine[profile], userID string, terms session.Terms) jar {
	t.Helper()
	s, err := m.Begin(t.Context(), engine.SignInParams{UserID: userID, Terms: terms})
	if err != nil {
		t.Fatal(err)
	}
	return jar{access: s.Session.AccessToken, bearer: s.Session.RefreshToken, sealed: s.RefreshCookie, fingerprint: s.Fingerprint}
}

// actsFrom begins the session of an actor.
func actsFrom(t testing.TB, store session.Store, actor *session.Actor) {
	t.Helper()
	day := session.Policy{Idle: 24 * time.Hour, Lifetime: 24 * time.Hour}
	p := session.CreateParams{UserID: actor.ID, ID: actor.SessionID, Policy: day, Max: 1}
	if _, err := store.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

func TestTermsHaveThisForm(t *testing.T) {
	t.Parallel()
	var m *engine.Engine[profile]
	var j jar
	synctest.Test(t, func(t *testing.T) {
		m = newEngine(t, nil)
		j = begin(t, m, "u1", allTerms())
	})
	for name, token := range map[string]string{"access": string(j.access), "refresh": string(j.bearer)} {
		payload := segment(t, token, 1)
		if !strings.HasSuffix(payload, allTermsJSON+"}") {
			t.Errorf("%s: %s\nwant the end %s}", name, payload, allTermsJSON)
		}
		if !json.Valid([]byte(payload)) {
			t.Errorf("%s: not JSON: %s", name, payload)
		}
	}
	c, err := m.OpenSealed(j.sealed)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := engine.ContentsOf(c)
	const fixed = 1 + 6 + 4 + 2*5 + 32
	if want := strings.Join(allTermsFields[:], "") + "u1"; err != nil || plain[0] != 31 || string(plain[fixed:]) != want {
		t.Errorf("sealed: flags %d, fields\n%q, want\n%q", plain[0], plain[fixed:], want)
	}
}

func TestTermsLastAsLongAsTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		want := allTerms()
		want.AuthTime = time.Unix(time.Now().Unix(), 0)
		store := memstore.New()
		actsFrom(t, store, want.Actor)
		m := newEngine(t, func(c *engine.Config[profile]) { c.Store = store })
		j := begin(t, m, "u1", want)
		for i, step := range []func(){
			func() {},
			func() { j.must(t, m, session.Rotated) },
			func() { time.Sleep(10 * time.Minute); j.use(t, m) },
			func() { time.Sleep(5 * time.Minute); j.must(t, m, session.Rotated) },
			func() {
				s, err := m.Verify(j.access, j.fingerprint)
				if err != nil {
					t.Fatal(err)
				}
				reloaded, err := m.Reload(t.Context(), s)
				if err != nil {
					t.Fatal(err)
				}
				j.access = reloaded.AccessToken
			},
		} {
			step()
			s, err := m.Verify(j.access, j.fingerprint)
			if err != nil || !reflect.DeepEqual(s.Terms, want) {
				t.Fatalf("step %d: %+v, %v\nwant %+v", i, s.Terms, err, want)
			}
		}
	})
}

// A token of a version before 0.1.0 has no terms. Its session continues, and its successors are as
// small as it is.
func TestTokensWithoutTermsAreRead(t *testing.T) {
	t.Parallel()
	m := newEngine(t, nil)
	j := signIn(t, m, "u1")
	cut := func(purpose, token string) string {
		payload, _, found := strings.Cut(segment(t, token, 1), `,"auth_time"`)
		if !found {
			t.Fatalf("%s token without auth_time", purpose)
		}
		return forge(t, testSecret, purpose, header(t, testSecret), payload+"}")
	}
	j.access, j.bearer = session.AccessToken(cut("access", string(j.access))), session.RefreshToken(cut("refresh", string(j.bearer)))
	c := contentsOf(t, jar{bearer: begin(t, m, "u1", session.Terms{}).bearer, fingerprint: j.fingerprint})
	c.flags, c.terms = 0, nil
	j.sealed = forgeSealed(t, testSecret, sealID(t, testSecret), claimsOf(t, string(j.bearer))["sid"].(string), c.bytes())
	s, err := m.Verify(j.access, j.fingerprint)
	if err != nil || !reflect.DeepEqual(s.Terms, session.Terms{}) {
		t.Fatalf("%+v, %v", s.Terms, err)
	}
	before := j
	j.must(t, m, session.Rotated)
	if len(j.sealed) != len(before.sealed) || len(j.bearer) != len(before.bearer) {
		t.Errorf("the successor has %d and %d bytes, its predecessor %d and %d", len(j.sealed), len(j.bearer), len(before.sealed), len(before.bearer))
	}
	if strings.Contains(segment(t, string(j.access), 1), "auth_time") {
		t.Error("a session without auth_time gets one")
	}
}

func TestOtherSpellingsOfTermsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSuspect(t)
	payload, _, _ := strings.Cut(segment(t, string(s.j.bearer), 1), `,"auth_time"`)
	judge := func(terms string) {
		t.Helper()
		s.refused(terms, "refresh", forge(t, testSecret, "refresh", header(t, testSecret), payload+terms+"}"))
	}
	for _, terms := range []string{
		`,"auth_time":0`, `,"auth_time":01`, `,"auth_time":1.0`, `,"auth_time":-1`, `,"auth_time":"1"`, `,"auth_time":137438953472`,
		`,"short":false`, `,"short":1`, `,"short": true`, `,"short":true,"auth_time":1`, `,"ends_by":0`, `,"ends_by":1,"ends_by":1`,
		`,"attributes":{}`, `,"attributes":null`, `,"attributes":{"a":1}`, `,"attributes":{"a":null}`, `,"attributes":{"b":"1","a":"2"}`,
		`,"attributes":{"a":"1","a":"1"}`, `,"attributes":{"a":"\u0062"}`, `,"attributes":{"":"1"}`, `,"attributes":{"a": "1"}`, `,"attributes":{"a":"1"`,
		`,"attributes":{"a":"` + strings.Repeat("x", 249) + `"}`, `,"act":null`, `,"act":{}`, `,"act":{"sub":"","sid":"AAAAAAAAAAAAAAAAAAAAAQ","reason":""}`,
		`,"act":{"sub":"a","sid":"AAAAAAAAAAAAAAAAAAAAAQ"}`, `,"act":{"sub":"a","sid":"AAAAAAAAAAAAAAAAAAAAAR","reason":""}`,
		`,"act":{"sub":"a","sid":"AAAAAAAAAAAAAAAAAAAAAQ","reason":"\n"}`, `,"unknown":1`, `,"act":{"sub":"`, `,"attributes":{"a":"`,
	} {
		judge(terms)
	}
}

// The fields are sealed with the right key, so the test covers only the fields.
func TestWrongTermFieldsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSuspect(t)
	genuine := contentsOf(t, s.j)
	kid, sid := sealID(t, testSecret), claimsOf(t, string(s.j.bearer))["sid"].(string)
	judge := func(name string, flags byte, terms string) {
		t.Helper()
		c := genuine
		c.flags, c.terms = flags, []byte(terms)
		s.refused(name, "sealed", string(forgeSealed(t, testSecret, kid, sid, c.bytes())))
	}
	judge("auth time 0", 1, "\x00\x00\x00\x00\x00")
	judge("auth time too late", 1, "\xff\xff\xff\xff\xff")
	judge("ends by 0", 4, "\x00\x00\x00\x00\x00")
	judge("no attributes", 8, "\x00\x02{}")
	judge("attributes too long for the contents", 8, "\xff\xff{}")
	judge("attributes in another order", 8, "\x00\x11"+`{"b":"1","a":"2"}`)
	judge("an actor without an id", 16, strings.Repeat("\x00", 19))
	judge("an actor's id too long for the contents", 16, strings.Repeat("\x00", 16)+"\xff\xff")
	judge("a reason of two lines", 16, strings.Repeat("\x00", 16)+"\x00\x01a\x01\n")
	all := genuine
	all.flags, all.terms, all.userID = 31, []byte(strings.Join(allTermsFields[:], "")), ""
	for n := len(all.bytes()) - len(all.terms); n <= len(all.bytes()); n++ {
		s.refused(fmt.Sprintf("cut to %d bytes", n), "sealed", string(forgeSealed(t, testSecret, kid, sid, all.bytes()[:n])))
	}
}

func TestInvalidTermsAreRefusedAtSignIn(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	m := newEngine(t, func(c *engine.Config[profile]) { c.Store = store })
	for name, terms := range map[string]session.Terms{
		"ended already":          {EndsBy: time.Now().Add(-time.Second).Truncate(time.Second)},
		"attributes too large":   {Attributes: map[string]string{"a": strings.Repeat("x", session.MaxAttributesBytes-len(`{"a":""}`)+1)}},
		"attribute without name": {Attributes: map[string]string{"": "x"}},
		"attribute not UTF-8":    {Attributes: map[string]string{"a": "\xff"}},
		"name not UTF-8":         {Attributes: map[string]string{"\xff": "a"}},
		"actor without id":       {Actor: &session.Actor{}},
		"reason too long":        {Actor: &session.Actor{ID: "a", Reason: strings.Repeat("x", session.MaxReasonBytes+1)}},
		"reason of two lines":    {Actor: &session.Actor{ID: "a", Reason: "a\nb"}},
		"ends before 1970":       {EndsBy: time.Unix(-1, 0)},
		"ends too late":          {EndsBy: time.Unix(1<<37, 0)},
		"part of a second":       {EndsBy: time.Now().Truncate(time.Second).Add(time.Hour + 1)},
	} {
		if s, err := m.Begin(t.Context(), engine.SignInParams{UserID: "u1", Terms: terms}); !errors.Is(err, session.CodeInvalidTerms) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	largest := session.Terms{
		Attributes: map[string]string{"a": strings.Repeat("x", session.MaxAttributesBytes-len(`{"a":""}`))},
		Actor:      &session.Actor{ID: strings.Repeat("a", session.MaxUserIDBytes), Reason: strings.Repeat("r", session.MaxReasonBytes)},
	}
	actsFrom(t, store, largest.Actor)
	j := begin(t, m, "u1", largest)
	if o, err := j.refresh(t, m); o != session.Rotated || err != nil {
		t.Errorf("the largest terms: %v, %v", o, err)
	}
}

// The limit of the size of tokens includes the terms.
func TestTermsCountTowardsMaxBytes(t *testing.T) {
	t.Parallel()
	terms := allTerms()
	terms.EndsBy = time.Now().Add(time.Minute).Truncate(time.Second)
	size := func(j jar) int { return len(j.access) + len(j.sealed) + len(j.fingerprint) }
	roomy := newEngine(t, nil)
	fits := size(begin(t, roomy, "u1", terms)) + 4*20 // the numbers may grow
	m := newEngine(t, func(c *engine.Config[profile]) { c.MaxBytes = fits })
	begin(t, m, "u1", terms)
	terms.Attributes["more"] = strings.Repeat("x", 120)
	if s, err := m.Begin(t.Context(), engine.SignInParams{UserID: "u1", Terms: terms}); !errors.Is(err, session.ErrUserTooLarge) {
		t.Errorf("%v, %v, want ErrUserTooLarge", s, err)
	}
}
