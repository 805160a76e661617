package demo

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
)

// TestUnknownNamesCostAHash checks that a sign-in with an unknown name waits for a slot and hashes
// like one with a wrong password. Otherwise the time of an answer would show which names exist.
func TestUnknownNamesCostAHash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, err := ParseFlags("test", nil, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewSite("test", o, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		form := func(name, password string) *http.Request {
			body := url.Values{"username": {name}, "password": {password}}.Encode()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return r
		}
		if _, err := s.SignUp(form("ada", "right")); err != nil {
			t.Fatal(err)
		}
		check := func(want error) {
			t.Helper()
			for _, name := range []string{"ada", "grace", " ", strings.Repeat("x", 1000)} {
				if _, err := s.CheckPassword(form(name, "wrong")); !errors.Is(err, want) {
					t.Errorf("sign-in of %.10q: %v, want %v", name, err, want)
				}
			}
		}
		for range cap(s.passwords.slots) {
			s.passwords.slots <- struct{}{}
		}
		check(ErrBusy)
		for range cap(s.passwords.slots) {
			<-s.passwords.slots
		}
		check(ErrWrongPassword)
	})
}
