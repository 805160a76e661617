package session_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/session"
)

const secretText = "s3cr3t-t0ken"

// leaks reports whether text contains the secret in any form that fmt writes.
func leaks(text string) bool {
	for _, form := range []string{
		secretText, fmt.Sprintf("%x", secretText), fmt.Sprintf("%X", secretText), fmt.Sprintf("% x", secretText),
		fmt.Sprint([]byte(secretText)), fmt.Sprintf("%q", secretText), secretText[:4],
	} {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

func tokensOfEachType() map[string]any {
	return map[string]any{
		"AccessToken":  session.AccessToken(secretText),
		"RefreshToken": session.RefreshToken(secretText),
	}
}

func TestTokensPrintAsRedactedWhateverTheVerb(t *testing.T) {
	t.Parallel()
	for name, token := range tokensOfEachType() {
		for _, verb := range strings.Fields("%v %+v %#v %s %q %#q %x %X %x %d %t %c %U %b %e %O %10s %.3s %-20v %!") {
			got := fmt.Sprintf(verb, token)
			if leaks(got) || verb != "%!" && !strings.Contains(got, "REDACTED") {
				t.Errorf("%s with %s prints %s", name, verb, got)
			}
		}
		for _, got := range []string{
			fmt.Sprint(token), fmt.Sprintln(token), token.(fmt.Stringer).String(), token.(fmt.GoStringer).GoString(),
			fmt.Errorf("%v: %w", token, io.EOF).Error(),
		} {
			if leaks(got) || !strings.Contains(got, "REDACTED") {
				t.Errorf("%s prints %s", name, got)
			}
		}
	}
}

// holders are values that hold tokens.
func holders() map[string]any {
	s := session.Session[profile]{AccessToken: secretText, RefreshToken: secretText, User: session.User[profile]{ID: "u1"}}
	return map[string]any{
		"Session":           s,
		"pointer":           &s,
		"struct of its own": struct{ T session.AccessToken }{secretText},
		"slice":             []session.RefreshToken{secretText},
		"map":               map[session.AccessToken]session.RefreshToken{secretText: secretText},
	}
}

func TestValuesThatHoldTokensPrintThemRedacted(t *testing.T) {
	t.Parallel()
	for name, v := range holders() {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			if got := fmt.Sprintf(verb, v); leaks(got) {
				t.Errorf("%s with %s prints %s", name, verb, got)
			}
		}
		var out bytes.Buffer
		log.New(&out, "", 0).Println(v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v, slog.Group("g", "v", v))
		if leaks(out.String()) {
			t.Errorf("%s is logged as %s", name, out.String())
		}
	}
}

// slog's JSON handler encodes a value without a LogValue method with encoding/json, which writes
// tokens because the wire format needs them. So every type of this package that holds tokens must
// have that method.
func TestSlogJSONShowsNoToken(t *testing.T) {
	t.Parallel()
	values := tokensOfEachType()
	all := holders()
	for _, own := range []string{"Session", "pointer"} {
		values[own] = all[own]
	}
	for name, v := range values {
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).With("with", v).Info("m", "v", v, slog.Group("g", "v", v))
		if leaks(out.String()) {
			t.Errorf("%s is logged as %s", name, out.String())
		}
		if _, isToken := v.(fmt.Formatter); !isToken && !strings.Contains(out.String(), `"user_id":"u1"`) {
			t.Errorf("%s does not contain the user's id: %s", name, out.String())
		}
	}
}

// User data is not logged either.
func TestUserDataStaysOutOfLogs(t *testing.T) {
	t.Parallel()
	user := session.User[profile]{ID: "u1", Data: profile{Username: secretText}}
	for name, v := range map[string]any{
		"User": user, "Session": session.Session[profile]{User: user},
	} {
		var text bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("line", "value", v)
		if got := text.String(); leaks(got) || !strings.Contains(got, "user_id=u1") {
			t.Errorf("%s is logged as %s", name, got)
		}
	}
}
