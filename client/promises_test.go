package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/session"
)

// Gone concerns only the client's own session.
func TestGoneConcernsTheClientsOwnSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cl := w.signedIn(t)
	other := w.signedIn(t)
	theirs := other.GetSession().Get().RefreshToken
	gone := func(what string, err error, want bool) {
		t.Helper()
		e, ok := errors.AsType[*client.Error](err)
		if !ok || e.Code != session.CodeUnauthorized || e.Gone() != want {
			t.Errorf("%s: %v, gone %v, want %v", what, err, ok && e.Gone(), want)
		}
	}
	_, err := cl.SignIn(t.Context(), "/login", url.Values{"username": {"u1"}, "password": {"a guess"}})
	gone("a wrong password", err, false)
	_, err = cl.RefreshTokens(t.Context(), theirs) // of another fingerprint
	gone("another token", err, false)
	checkMe(t, cl, "u1")
	if err := w.Auth.RevokeUser(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	_, err = cl.RefreshTokens(t.Context(), "")
	gone("the session", err, true)
}

func TestClientAndTokensPrintNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cl := w.signedIn(t)
	tokens, err := cl.RefreshTokens(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("line", "tokens", tokens, "client", cl)
	for _, text := range []string{log.String(), fmt.Sprintf("%+v %#v %s", cl, cl, cl), fmt.Sprintf("%+v %#v", tokens, tokens)} {
		if strings.Contains(text, "eyJ") || strings.Contains(text, string(tokens.AccessToken)) {
			t.Errorf("a token is printed: %s", text)
		}
	}
	if got := fmt.Sprint(cl); got != "lucia client of https://app.example" {
		t.Errorf("a client is printed as %s", got)
	}
}
