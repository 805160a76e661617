package engine_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

func TestSealedTokenOpensToTheRefreshToken(t *testing.T) {
	t.Parallel()
	m := newEngine(t, nil)
	j := signIn(t, m, "u1")
	c, err := m.OpenSealed(j.sealed)
	if err != nil || c.UserID != "u1" || !c.BelongsTo(j.fingerprint) || c.BelongsTo("") {
		t.Errorf("OpenSealed = %+v, %v", c, err)
	}
	if got := tokenOnPage(t, m, j); got != j.bearer {
		t.Errorf("a page gets refresh token %q, the sign-in returned %q", string(got), string(j.bearer))
	}
}

// sealKey derives the sealing key of a session according to the specification.
func sealKey(t testing.TB, secret []byte, sid string) cipher.AEAD {
	t.Helper()
	key, err := hkdf.Expand(sha256.New, deriveKey(t, secret, "seal"), "session/"+sid, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return gcm
}

// sealID is the key id of sealed tokens.
func sealID(t testing.TB, secret []byte) string {
	t.Helper()
	return base64.RawURLEncoding.EncodeToString(deriveKey(t, secret, "sealed-key-id")[:9])
}

// forgeSealed seals any contents under a genuine key.
func forgeSealed(t testing.TB, secret []byte, keyID, sid string, contents []byte) engine.SealedToken {
	t.Helper()
	nonce := make([]byte, 12)
	box := sealKey(t, secret, sid).Seal(nonce, nonce, contents, []byte("encrypt_refresh_token\x00"+keyID+"\x00"+sid))
	return engine.SealedToken(keyID + "." + sid + "." + base64.RawURLEncoding.EncodeToString(box))
}

// contents are the contents of a sealed token according to the specification.
type contents struct {
	flags               byte
	handed, iat, exp    uint64
	gen                 uint32
	fingerprint, userID string
	terms               []byte
}

// contentsOf returns the contents of the jar's cookie, handed out now.
func contentsOf(t testing.TB, j jar) contents {
	t.Helper()
	claims := claimsOf(t, string(j.bearer))
	return contents{
		flags: 1, terms: binary.BigEndian.AppendUint64(nil, uint64(claims["auth_time"].(float64)))[3:],
		handed: uint64(time.Now().UnixMilli()), gen: uint32(claims["gen"].(float64)),
		iat: uint64(claims["iat"].(float64)), exp: uint64(claims["exp"].(float64)),
		fingerprint: string(j.fingerprint), userID: claims["user_id"].(string),
	}
}

func (c contents) bytes() []byte {
	hash := sha256.Sum256([]byte(c.fingerprint))
	b := append([]byte{c.flags}, binary.BigEndian.AppendUint64(nil, c.handed)[2:]...)
	b = binary.BigEndian.AppendUint32(b, c.gen)
	b = append(b, binary.BigEndian.AppendUint64(nil, c.iat)[3:]...)
	b = append(b, binary.BigEndian.AppendUint64(nil, c.exp)[3:]...)
	return append(append(append(b, hash[:]...), c.terms...), c.userID...)
}

// Cookies of today's form open after every release. The test derives key, additional data and
// contents by itself.
func TestSealedFormNeverChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, nil)
		j := signIn(t, m, "u1")
		parts := strings.Split(string(j.sealed), ".")
		kid, sid := parts[0], parts[1]
		box, err := base64.RawURLEncoding.DecodeString(parts[2])
		if err != nil {
			t.Fatal(err)
		}
		plain, err := sealKey(t, testSecret, sid).Open(nil, box[:12], box[12:], []byte("encrypt_refresh_token\x00"+kid+"\x00"+sid))
		if err != nil || kid != sealID(t, testSecret) {
			t.Fatalf("the ciphertext does not open under key id %s: %v", kid, err)
		}
		if kid == keyID(t, testSecret) {
			t.Error("a process that knows only the earlier form reports a forgery, not an unknown key")
		}
		want := contentsOf(t, j).bytes()
		if !bytes.Equal(plain, want) {
			t.Errorf("the contents are\n%x, want\n%x", plain, want)
		}
		j.sealed = forgeSealed(t, testSecret, kid, sid, want)
		if got := tokenOnPage(t, m, j); got != j.bearer {
			t.Errorf("a token sealed by the specification opens to %q", string(got))
		}
	})
}

// TestEarlierSealedFormIsRead opens cookies of the form that contained the refresh token itself.
// A refresh replaces them.
func TestEarlierSealedFormIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, nil)
		j, other := signIn(t, m, "u1"), signIn(t, m, "u1")
		kid, sid := keyID(t, testSecret), claimsOf(t, string(j.bearer))["sid"].(string)
		handed := func(d time.Duration) []byte {
			return binary.BigEndian.AppendUint64(nil, uint64(time.Now().Add(d).UnixMilli()))
		}
		for _, wrong := range [][]byte{
			nil, handed(0)[:7], handed(0), append(handed(0), "x"...), append(handed(0), j.access...), append(handed(0), other.bearer...), contentsOf(t, j).bytes(),
		} {
			if _, err := m.OpenSealed(forgeSealed(t, testSecret, kid, sid, wrong)); !errors.Is(err, engine.ErrMalformed) {
				t.Errorf("contents %q: %v, want malformed", wrong, err)
			}
		}
		j.sealed = forgeSealed(t, testSecret, kid, sid, append(handed(-time.Hour), j.bearer...))
		if got := tokenOnPage(t, m, j); got != j.bearer {
			t.Errorf("a page gets refresh token %q", string(got))
		}
		j.must(t, m, session.Rotated)
		if got := strings.Split(string(j.sealed), ".")[0]; got != sealID(t, testSecret) {
			t.Errorf("the successor is under key id %s", got)
		}
	})
}

// The contents are sealed with the right key, so the test covers only the contents.
func TestWrongContentsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSuspect(t)
	genuine := contentsOf(t, s.j)
	kid, sid := sealID(t, testSecret), claimsOf(t, string(s.j.bearer))["sid"].(string)
	judge := func(name string, plain []byte, reasons ...error) {
		t.Helper()
		s.refused(name, "sealed", string(forgeSealed(t, testSecret, kid, sid, plain)), reasons...)
	}
	for name, change := range map[string]func(*contents){
		"generation 0":              func(c *contents) { c.gen = 0 },
		"never issued":              func(c *contents) { c.iat = 0 },
		"expires when it is issued": func(c *contents) { c.exp = c.iat },
		"expires too late":          func(c *contents) { c.exp = 1 << 37 },
		"no user id":                func(c *contents) { c.userID = "" },
		"user id too long":          func(c *contents) { c.userID = strings.Repeat("u", 257) },
		"user id not UTF-8":         func(c *contents) { c.userID = "u\xff" },
	} {
		c := genuine
		change(&c)
		judge(name, c.bytes())
	}
	for name, change := range map[string]func(*contents){
		"a device's key, and not bound": func(c *contents) { c.flags |= 1 << 5; c.userID = strings.Repeat("k", 33) + c.userID },
		"bound, without a key":          func(c *contents) { c.gen = 1<<31 | 1 },
	} {
		c := genuine
		change(&c)
		judge(name, c.bytes())
	}
	for flag := 6; flag < 8; flag++ {
		c := genuine
		c.flags |= 1 << flag
		judge(fmt.Sprintf("flag %d", flag), c.bytes(), engine.ErrUnknownKey) // a newer release may define it
	}
	for n := range len(genuine.bytes()) - len(genuine.userID) + 1 {
		judge(fmt.Sprintf("cut to %d bytes", n), genuine.bytes()[:n])
	}
	judge("the refresh token", []byte(s.j.bearer), engine.ErrUnknownKey, engine.ErrMalformed)
}

// TestCookiesOfAnOrdinaryUserAreSmall measures what a browser sends with every request for a user
// with an id of 26 characters and two attributes.
func TestCookiesOfAnOrdinaryUserAreSmall(t *testing.T) {
	t.Parallel()
	type user struct {
		Username string `json:"username"`
		Email    string `json:"email"`
	}
	m, err := engine.New(engine.Config[user]{
		Secret: testSecret, Store: memstore.New(), Logger: discard,
		LoadUser: func(context.Context, string) (user, error) { return user{"ada lovelace", "ada@example.com"}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.SignIn(t.Context(), "01JDQ3Z5V8K4M2N6P7R9S1T3W5")
	if err != nil {
		t.Fatal(err)
	}
	access, refresh, fingerprint := len(s.Session.AccessToken), len(s.RefreshCookie), len(s.Fingerprint)
	t.Logf("access %d, refresh %d, fingerprint %d: %d bytes", access, refresh, fingerprint, access+refresh+fingerprint)
	if refresh > 200 || access+refresh+fingerprint > 760 {
		t.Errorf("access %d, refresh %d, fingerprint %d bytes, want at most 200 of refresh and 760 together", access, refresh, fingerprint)
	}
}

func TestSealedTokenIsBoundToItsCookie(t *testing.T) {
	t.Parallel()
	m := newEngine(t, nil)
	j := signIn(t, m, "u1")
	for name, refused := range map[string]bool{"encrypt_refresh_token": false, "__Host-encrypt_refresh_token": true, "access_token": true, "encrypt_refresh_token\x00": true} {
		other := newEngine(t, func(c *engine.Config[profile]) { c.RefreshCookie = name })
		if _, err := other.OpenSealed(j.sealed); (err != nil) != refused {
			t.Errorf("as cookie %q: %v, want refused %v", name, err, refused)
		}
	}
}

func TestSealedTokenIsBoundToItsSession(t *testing.T) {
	t.Parallel()
	s := newSuspect(t)
	other := signIn(t, s.m, "u1")
	s.store.took()
	ours, theirs := strings.Split(string(s.j.sealed), "."), strings.Split(string(other.sealed), ".")
	s.refused("another session's id", "sealed", strings.Join([]string{ours[0], theirs[1], ours[2]}, "."))
	s.refused("another session's ciphertext", "sealed", strings.Join([]string{ours[0], ours[1], theirs[2]}, "."))
	s.refused("another key id", "sealed", strings.Join([]string{strings.Repeat("A", 12), ours[1], ours[2]}, "."), engine.ErrUnknownKey)
	s.refused("a key id too short", "sealed", strings.Join([]string{ours[0][:11], ours[1], ours[2]}, "."))
}

func TestSealedTokenIsNotMalleable(t *testing.T) {
	t.Parallel()
	s := newSuspect(t)
	parts := strings.Split(string(s.j.sealed), ".")
	box, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	with := func(box []byte) string {
		return parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(box)
	}
	for i := range box {
		for _, mask := range []byte{0x01, 0x80, 0xff} {
			b := append([]byte(nil), box...)
			b[i] ^= mask
			s.refused(fmt.Sprintf("byte %d", i), "sealed", with(b))
		}
		s.refused(fmt.Sprintf("cut to %d", i), "sealed", with(box[:i]))
	}
	s.refused("one byte more", "sealed", with(append(box, 0)))
}

func TestEverySealIsDifferent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, nil)
		j := signIn(t, m, "u1")
		old := j
		if o, err := j.refresh(t, m); o != session.Rotated || err != nil {
			t.Fatal(o, err)
		}
		seen := map[engine.SealedToken]bool{old.sealed: true, j.sealed: true}
		for range 20 { // a lost response, requested again at the same instant
			again := old
			if o, err := again.refresh(t, m); o != session.Repeated || err != nil {
				t.Fatal(o, err)
			}
			if again.bearer != j.bearer {
				t.Fatal("the refresh token of one generation has two forms")
			}
			if seen[again.sealed] {
				t.Fatal("two seals of one token are equal")
			}
			seen[again.sealed] = true
		}
	})
}

// The seal contains the time of handing out, which alone distinguishes a settled cookie from a new
// one.
func TestSealCarriesTheTimeOfHandingOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newEngine(t, nil)
		j := signIn(t, m, "u1")
		before := j
		j.refresh(t, m) // generation 2, handed out now
		time.Sleep(engine.DefaultSettle - time.Second)
		late := before
		late.refresh(t, m) // generation 2 again, handed out almost one settle later
		time.Sleep(time.Second)
		confirmed := func() bool { return recordOf(t, m, "u1").ConfirmedAt != 0 }
		if late.refresh(t, m); confirmed() {
			t.Error("a cookie one second old counts as settled")
		}
		if j.refresh(t, m); !confirmed() {
			t.Error("a cookie as old as settle does not count as settled")
		}
	})
}

// recordOf returns the record of the user's only session.
func recordOf(t testing.TB, m *engine.Engine[profile], userID string) session.Record {
	t.Helper()
	list, err := m.Sessions(t.Context(), userID)
	if err != nil || len(list) != 1 {
		t.Fatalf("Sessions = %v, %v, want one", list, err)
	}
	for _, r := range list {
		return r.Record
	}
	panic("unreachable")
}
