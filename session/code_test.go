package session_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/lucia-go/lucia/session"
)

func TestEveryCodeIsFoundByItsName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]session.Code{
		"AUTH_NOT_AUTHENTICATED":      session.CodeNotAuthenticated,
		"AUTH_UNAUTHORIZED":           session.CodeUnauthorized,
		"DATABASE_FETCH_FAILED":       session.CodeDatabaseFetchFailed,
		"DATABASE_UPDATE_FAILED":      session.CodeDatabaseUpdateFailed,
		"UNKNOWN":                     session.CodeUnknown,
		"AUTH_INVALID_ACCESS_TOKEN":   session.CodeInvalidAccessToken,
		"AUTH_INVALID_REFRESH_TOKEN":  session.CodeInvalidRefreshToken,
		"AUTH_INVALID_REQUEST":        session.CodeInvalidRequest,
		"AUTH_INVALID_REQUEST_METHOD": session.CodeInvalidRequestMethod,
		"AUTH_INVALID_USER_ID":        session.CodeInvalidUserID,
		"AUTH_INVALID_TERMS":          session.CodeInvalidTerms,
		"AUTH_STEP_UP_REQUIRED":       session.CodeStepUpRequired,
		"AUTH_DEVICE_REQUIRED":        session.CodeDeviceRequired,
	} {
		if got, ok := session.ParseCode(name); !ok || got != want || got.Error() != name {
			t.Errorf("ParseCode(%s) = %v, %v", name, got, ok)
		}
		wrapped := fmt.Errorf("outer: %w", fmt.Errorf("%w: %w", want, errors.New("cause")))
		if !errors.Is(wrapped, want) || session.CodeOf(wrapped) != want {
			t.Errorf("%s is lost in %v", name, wrapped)
		}
	}
	for _, name := range []string{"", "auth_unauthorized", "AUTH_UNAUTHORIZED ", "OTHER"} {
		if got, ok := session.ParseCode(name); ok || got != session.CodeUnknown {
			t.Errorf("ParseCode(%q) = %v, %v", name, got, ok)
		}
	}
	if got := session.CodeOf(nil); got != "" {
		t.Errorf("CodeOf(nil) = %q", got)
	}
	if got := session.CodeOf(errors.New("plain")); got != session.CodeUnknown {
		t.Errorf("CodeOf of an error without a code = %v", got)
	}
}
