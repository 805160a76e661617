package engine_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// The results hold tokens and user data. Neither is logged.
func TestResultsShowNoTokenInLogs(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-t0ken"
	s := session.Session[profile]{
		AccessToken: secret, RefreshToken: secret,
		User: session.User[profile]{ID: "u1", Data: profile{Username: secret}},
	}
	signedIn := engine.SignedIn[profile]{Session: s, Fingerprint: secret, RefreshCookie: secret}
	for name, v := range map[string]any{
		"SignedIn":            signedIn,
		"pointer to SignedIn": &signedIn,
		"Refreshed":           engine.Refreshed[profile]{Session: s, RefreshCookie: secret},
	} {
		var out bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
			out.Reset()
			slog.New(handler).With("with", v).Info("m", "v", v, slog.Group("g", "v", v))
			if got := out.String(); strings.Contains(got, secret) || !strings.Contains(got, "u1") {
				t.Errorf("%s is logged as %s", name, got)
			}
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			got := fmt.Sprintf(verb, withoutUserData(v))
			if strings.Contains(got, secret) || strings.Contains(got, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s with %s prints %s", name, verb, got)
			}
		}
	}
}

// withoutUserData removes the user data, so that the tokens are the only secrets.
func withoutUserData(v any) any {
	switch v := v.(type) {
	case engine.SignedIn[profile]:
		v.Session.User.Data = profile{}
		return v
	case *engine.SignedIn[profile]:
		c := *v
		c.Session.User.Data = profile{}
		return &c
	case engine.Refreshed[profile]:
		v.Session.User.Data = profile{}
		return v
	}
	return v
}

// The secrets that only this package has print as the tokens of package session do.
func TestSecretsPrintAsRedacted(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-t0ken"
	for _, v := range []any{engine.SealedToken(secret), engine.Fingerprint(secret)} {
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		out.WriteString("REDACTED")
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s"} {
			fmt.Fprintf(&out, verb, v)
		}
		if got := out.String(); strings.Contains(got, secret) || strings.Contains(strings.ToLower(got), fmt.Sprintf("%x", secret)) {
			t.Errorf("%T prints %s", v, got)
		}
	}
}
