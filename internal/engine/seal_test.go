package engine_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

func TestSealedTokenOpensToTheRefreshToken(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil)
	j := signIn(t, m, "u1")
	c, token, err := m.OpenSealed(j.sealed)
	if err != nil || token != j.bearer || c.UserID != "u1" || !c.BelongsTo(j.fingerprint) || c.BelongsTo("") {
		t.Errorf("OpenSealed = %+v, same token %v, %v", c, token == j.bearer, err)
	}
	if strings.Contains(string(j.sealed), strings.Split(string(j.bearer), ".")[1][:20]) {
		t.Error("the token can be read in the sealed form")
	}
}

// The form that browsers hold today opens after every release: key, additional
// data and contents, derived here once more.
func TestSealedFormNeverChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := signIn(t, newManager(t, nil), "u1")
		parts := strings.Split(string(j.sealed), ".")
		kid, sid := parts[0], parts[1]
		key, err := hkdf.Expand(sha256.New, deriveKey(t, testSecret, "seal"), "session/"+sid, 32)
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
		box, err := base64.RawURLEncoding.DecodeString(parts[2])
		if err != nil {
			t.Fatal(err)
		}
		plain, err := gcm.Open(nil, box[:12], box[12:], []byte("encrypt_refresh_token\x00"+kid+"\x00"+sid))
		if err != nil || kid != keyID(t, testSecret) {
			t.Fatalf("the box does not open under kid %s: %v", kid, err)
		}
		handed := binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMilli()))
		if want := string(handed) + string(j.bearer); string(plain) != want {
			t.Errorf("the box has other contents than the time of handing out and the refresh token")
		}
	})
}

func TestSealedTokenIsBoundToItsCookie(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil)
	j := signIn(t, m, "u1")
	for name, refused := range map[string]bool{"encrypt_refresh_token": false, "__Host-encrypt_refresh_token": true, "access_token": true, "encrypt_refresh_token\x00": true} {
		other := newManager(t, func(c *engine.Config[profile]) { c.RefreshCookie = name })
		if _, _, err := other.OpenSealed(j.sealed); (err != nil) != refused {
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
	s.refused("another session's box", "sealed", strings.Join([]string{ours[0], ours[1], theirs[2]}, "."))
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

func TestNoTwoSealsAreAlike(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, nil)
		j := signIn(t, m, "u1")
		old := j
		if o, err := j.refresh(t, m); o != session.Rotated || err != nil {
			t.Fatal(o, err)
		}
		seen := map[session.SealedToken]bool{old.sealed: true, j.sealed: true}
		for range 20 { // a lost answer, asked for again at the same instant
			again := old
			if o, err := again.refresh(t, m); o != session.Repeated || err != nil {
				t.Fatal(o, err)
			}
			if again.bearer != j.bearer {
				t.Fatal("the refresh token of one generation has two spellings")
			}
			if seen[again.sealed] {
				t.Fatal("two seals of one token are alike")
			}
			seen[again.sealed] = true
		}
	})
}

// What stands in the seal is when it was handed out; only that tells a settled
// cookie from a new one.
func TestSealCarriesTheTimeOfHandingOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, nil)
		j := signIn(t, m, "u1")
		before := j
		j.refresh(t, m) // generation 2, handed out now
		time.Sleep(engine.DefaultSettle - time.Second)
		late := before
		late.refresh(t, m) // generation 2 again, handed out almost settle later
		time.Sleep(time.Second)
		confirmed := func() bool { return recordOf(t, m, "u1").ConfirmedAt != 0 }
		if late.refresh(t, m); confirmed() {
			t.Error("a cookie of one second counts as settled")
		}
		if j.refresh(t, m); !confirmed() {
			t.Error("a cookie as old as settle does not count as settled")
		}
	})
}

// recordOf returns the record of the user's only session.
func recordOf(t testing.TB, m *engine.Manager[profile], userID string) session.Record {
	t.Helper()
	list, err := m.Sessions(t.Context(), userID)
	if err != nil || len(list) != 1 {
		t.Fatalf("Sessions = %v, %v, want one", list, err)
	}
	for _, r := range list {
		return r
	}
	panic("unreachable")
}
