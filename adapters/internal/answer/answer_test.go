package answer_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lucia-go/lucia/adapters/internal/answer"
	"github.com/lucia-go/lucia/session"
)

func TestHeldAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		status int
		body   string
		code   session.Code
	}{
		{"error in JSON", 401, `{"message":"AUTH_UNAUTHORIZED"}`, session.CodeUnauthorized},
		{"the least error", 400, `{"message":"AUTH_INVALID_USER_ID"}`, session.CodeInvalidUserID},
		{"redirect", 303, "", ""},
		{"page", 503, "<h1>Back in a moment</h1>", ""},
		{"empty error", 503, "", ""},
		{"another object", 400, `{"reason":"x"}`, ""},
		{"the app's own words", 401, `{"message":"please sign in"}`, ""},
		{"more than the code", 401, `{"message":"AUTH_UNAUTHORIZED","path":"/"}`, ""},
		{"message that is no error", 200, `{"message":"AUTH_UNAUTHORIZED"}`, ""},
	} {
		w := httptest.NewRecorder()
		w.Code = 0
		held := answer.Hold(w)
		held.Header().Set("X-Kept", "1")
		held.WriteHeader(test.status)
		for i := range len(test.body) { // in pieces
			held.Write([]byte(test.body[i : i+1]))
		}
		if w.Code != 0 || w.Body.Len() != 0 {
			t.Errorf("%s: written before its release: %d %q", test.name, w.Code, w.Body)
		}
		code, ok := held.Code()
		if code != test.code || ok != (test.code != "") {
			t.Errorf("%s: code %q, %v, want %q", test.name, code, ok, test.code)
		}
		if err := held.Release(); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if w.Code != test.status || w.Body.String() != test.body || w.Header().Get("X-Kept") != "1" {
			t.Errorf("%s: released %d %q", test.name, w.Code, w.Body)
		}
	}
}

// An app's Deny need not set a status, as no handler need.
func TestAnswerWithoutAStatusIsOK(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	held := answer.Hold(w)
	held.Write([]byte("x"))
	if err := held.Release(); err != nil || w.Code != 200 || w.Body.String() != "x" {
		t.Errorf("released %d %q, %v", w.Code, w.Body, err)
	}
}

// broken is a connection that has gone.
type broken struct{ http.ResponseWriter }

func (broken) Write([]byte) (int, error) { return 0, http.ErrHandlerTimeout }

func TestReleaseReportsWhatWritingDoes(t *testing.T) {
	t.Parallel()
	held := answer.Hold(broken{httptest.NewRecorder()})
	held.WriteHeader(503)
	held.Write([]byte("x"))
	if err := held.Release(); err != http.ErrHandlerTimeout {
		t.Errorf("Release: %v", err)
	}
}

// An app's own answer may be as clumsy as any.
func TestTheFirstStatusCounts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		write  func(w http.ResponseWriter)
		status int
	}{
		"none":          {func(w http.ResponseWriter) {}, 200},
		"after a body":  {func(w http.ResponseWriter) { w.Write(nil); w.WriteHeader(401) }, 200},
		"a second one":  {func(w http.ResponseWriter) { w.WriteHeader(401); w.WriteHeader(500) }, 401},
		"informational": {func(w http.ResponseWriter) { w.WriteHeader(103); w.WriteHeader(503) }, 503},
	} {
		w := httptest.NewRecorder()
		held := answer.Hold(w)
		c.write(held)
		if err := held.Release(); err != nil || w.Code != c.status {
			t.Errorf("%s: %d, %v, want %d", name, w.Code, err, c.status)
		}
	}
}
