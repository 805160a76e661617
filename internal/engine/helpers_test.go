package engine_test

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

var discard = slog.New(slog.DiscardHandler)

// testSecret is the secret of newEngine.
var testSecret = bytes.Repeat([]byte("s"), 32)

// deriveKey repeats the key derivation of the specification. Its result must never change, or
// every session ends with the release.
func deriveKey(t testing.TB, secret []byte, purpose string) []byte {
	t.Helper()
	key, err := hkdf.Key(sha256.New, secret, nil, "lucia-go/v1/"+purpose, 32)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func keyID(t testing.TB, secret []byte) string {
	t.Helper()
	return base64.RawURLEncoding.EncodeToString(deriveKey(t, secret, "key-id")[:9])
}

// header returns the JWT header of tokens under secret.
func header(t testing.TB, secret []byte) string {
	t.Helper()
	return fmt.Sprintf(`{"alg":"HS256","kid":%q,"typ":"JWT"}`, keyID(t, secret))
}

// forge signs any header and payload with the key of that purpose.
func forge(t testing.TB, secret []byte, purpose, header, payload string) string {
	t.Helper()
	enc := base64.RawURLEncoding.EncodeToString
	return sign(t, secret, purpose, enc([]byte(header))+"."+enc([]byte(payload)))
}

func sign(t testing.TB, secret []byte, purpose, signed string) string {
	t.Helper()
	mac := hmac.New(sha256.New, deriveKey(t, secret, purpose))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// segment decodes one segment of a JWT.
func segment(t testing.TB, token string, i int) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// claimsOf decodes the payload of a JWT.
func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	claims := map[string]any{}
	if err := json.Unmarshal([]byte(segment(t, token, 1)), &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// replaceOnce replaces a part that must exist.
func replaceOnce(t testing.TB, s, old, new string) string {
	t.Helper()
	if !strings.Contains(s, old) {
		t.Fatalf("no %q in %q", old, s)
	}
	return strings.Replace(s, old, new, 1)
}

// tap is a store that counts its calls. If before is set, it is called first, and its error is
// returned instead of making the call. after is called after each call.
type tap struct {
	session.Store
	before func(ctx context.Context, call string) error
	after  func(call string)

	mu    sync.Mutex
	calls map[string]int
}

func newTap() *tap { return &tap{Store: memstore.New(), calls: map[string]int{}} }

func (s *tap) enter(ctx context.Context, call string) error {
	s.mu.Lock()
	s.calls[call]++
	before := s.before
	s.mu.Unlock()
	if before != nil {
		return before(ctx, call)
	}
	return nil
}

func (s *tap) leave(call string) {
	if s.after != nil {
		s.after(call)
	}
}

// set replaces before.
func (s *tap) set(before func(ctx context.Context, call string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

// took returns the calls since the last call of took.
func (s *tap) took() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = map[string]int{}
	return calls
}

func (s *tap) Create(ctx context.Context, c session.CreateParams) (session.CreateResult, error) {
	if err := s.enter(ctx, "Create"); err != nil {
		return session.CreateResult{}, err
	}
	defer s.leave("Create")
	return s.Store.Create(ctx, c)
}

func (s *tap) Refresh(ctx context.Context, r session.RefreshParams) (session.RefreshResult, error) {
	if err := s.enter(ctx, "Refresh"); err != nil {
		return session.RefreshResult{}, err
	}
	defer s.leave("Refresh")
	return s.Store.Refresh(ctx, r)
}

func (s *tap) Confirm(ctx context.Context, c session.ConfirmParams) error {
	if err := s.enter(ctx, "Confirm"); err != nil {
		return err
	}
	defer s.leave("Confirm")
	return s.Store.Confirm(ctx, c)
}

func (s *tap) Delete(ctx context.Context, userID string, id session.ID) error {
	if err := s.enter(ctx, "Delete"); err != nil {
		return err
	}
	defer s.leave("Delete")
	return s.Store.Delete(ctx, userID, id)
}

func (s *tap) DeleteUser(ctx context.Context, userID string) error {
	if err := s.enter(ctx, "DeleteUser"); err != nil {
		return err
	}
	defer s.leave("DeleteUser")
	return s.Store.DeleteUser(ctx, userID)
}

func (s *tap) List(ctx context.Context, userID string) (map[session.ID]session.Entry, error) {
	if err := s.enter(ctx, "List"); err != nil {
		return nil, err
	}
	defer s.leave("List")
	return s.Store.List(ctx, userID)
}
