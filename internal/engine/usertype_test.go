package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// User types that New accepts or refuses.
type (
	tagged struct {
		ID string `json:"user_id"`
	}
	taggedUpper struct {
		ID string `json:"User_ID"`
	}
	taggedLongS struct {
		ID string `json:"uſer_id"`
	} // encoding/json decodes it as user_id
	omitted struct {
		ID string `json:"user_id,omitempty"`
	}
	omitzero struct {
		ID string `json:"USER_ID,omitzero"`
	}
	untagged  struct{ User_ID string }
	embedding struct{ omitted }
	embedsPtr struct{ *Deep }
	Deep      struct{ omitted }

	hidden struct {
		ID string `json:"-"`
	}
	private   struct{ user_id string } //lint:ignore U1000 encoding/json does not see it
	elsewhere struct {
		Owner omitted `json:"owner"`
	}
	dashed    struct{ UserID string } // "UserID" does not decode as user_id
	recursive struct {
		Next *recursive `json:"next"`
	}
	embedsFine struct {
		profile
		Level int `json:"level"`
	}

	asString  struct{ profile }
	asObject  struct{ name string }
	asUserID  struct{ profile }
	asFailure struct{ profile }
)

func (asString) MarshalJSON() ([]byte, error)  { return []byte(`"text"`), nil }
func (asUserID) MarshalJSON() ([]byte, error)  { return []byte(`{"\u0075ser_id":"x"}`), nil }
func (asFailure) MarshalJSON() ([]byte, error) { return nil, errors.New("will not") }

func (o asObject) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"name": o.name})
}

func (o *asObject) UnmarshalJSON(b []byte) error {
	var m map[string]string
	err := json.Unmarshal(b, &m)
	o.name = m["name"]
	return err
}

// Most cases are pointers. A pointer's user data is treated like the value that it points to, and
// the compiler generates one Engine for all pointers instead of one for each type, which took
// half a minute.

// newWith returns the result of New for user type U, with a user of that type.
func newWith[U any](user U) (*engine.Engine[U], error) {
	return engine.New(engine.Config[U]{
		Secret:   testSecret,
		Store:    memstore.New(),
		LoadUser: func(context.Context, string) (U, error) { return user, nil },
	})
}

func refusal[U any]() error {
	var user U
	_, err := newWith(user)
	return err
}

func TestNewRefusesUserTypesThatDoNotFit(t *testing.T) {
	t.Parallel()
	const taken, noObject = "user_id", "want a JSON object"
	for _, c := range []struct {
		name, want string
		err        error
	}{
		{"field tagged user_id", taken, refusal[*tagged]()},
		{"field tagged in capitals", taken, refusal[*taggedUpper]()},
		{"field tagged with a long s", "uſer_id", refusal[*taggedLongS]()},
		{"field of that name without a tag", taken, refusal[*untagged]()},
		{"marshaler that writes it escaped", taken, refusal[*asUserID]()},
		{"string", noObject, refusal[string]()},
		{"number", noObject, refusal[*int]()},
		{"slice", noObject, refusal[[]string]()},
		{"array", noObject, refusal[*[2]int]()},
		{"time", noObject, refusal[*time.Time]()},
		{"marshaler that writes a string", noObject, refusal[*asString]()},
		{"marshaler that fails", "will not", refusal[*asFailure]()},
		{"function", "unsupported type", refusal[*func()]()},
		{"channel inside", "unsupported type", refusal[*struct{ C chan int }]()},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: New = %v, want an error with %q", c.name, c.err, c.want)
		}
	}
}

// signsIn signs in with that user data, verifies the access token, and returns the JSON form of
// the user.
func signsIn[U any](t *testing.T, user U) string {
	t.Helper()
	m, err := newWith(user)
	if err != nil {
		t.Errorf("New[%T]: %v", user, err)
		return ""
	}
	s, err := m.SignIn(t.Context(), "u1")
	if err != nil {
		t.Errorf("SignIn with %T: %v", user, err)
		return ""
	}
	seen, err := m.Verify(s.Session.AccessToken, s.Fingerprint)
	if err != nil {
		t.Errorf("Verify with %T: %v", user, err)
	}
	b, err := json.Marshal(seen.User)
	if err != nil {
		t.Errorf("Marshal of %T: %v", user, err)
	}
	return string(b)
}

func TestNewAcceptsUserTypesThatFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, got, want string }{
		{"struct", signsIn(t, profile{"ann"}), `{"user_id":"u1","username":"ann"}`},
		{"pointer", signsIn(t, &profile{"ann"}), `{"user_id":"u1","username":"ann"}`},
		{"map", signsIn(t, map[string]any{"n": 1}), `{"user_id":"u1","n":1}`},
		{"empty map", signsIn(t, map[string]any{}), `{"user_id":"u1"}`},
		{"interface", signsIn[any](t, map[string]any{"a": true}), `{"user_id":"u1","a":true}`},
		{"no data", signsIn(t, struct{}{}), `{"user_id":"u1"}`},
		{"embedding", signsIn(t, &embedsFine{profile{"ann"}, 3}), `{"user_id":"u1","username":"ann","level":3}`},
		{"field hidden from JSON", signsIn(t, &hidden{"x"}), `{"user_id":"u1"}`},
		{"private field", signsIn(t, &private{"x"}), `{"user_id":"u1"}`},
		{"user_id of something inside", signsIn(t, &elsewhere{omitted{"x"}}), `{"user_id":"u1","owner":{"user_id":"x"}}`},
		{"similar name", signsIn(t, &dashed{"x"}), `{"user_id":"u1","UserID":"x"}`},
		{"recursive type", signsIn(t, &recursive{&recursive{}}), `{"user_id":"u1","next":{"next":null}}`},
		{"empty field that is left out", signsIn(t, &omitted{}), `{"user_id":"u1"}`},
		{"raw message", signsIn(t, new(json.RawMessage(`{"a":1}`))), `{"user_id":"u1","a":1}`},
		{"own marshaler", signsIn(t, &asObject{"ann"}), `{"user_id":"u1","name":"ann"}`},
	} {
		if c.got != c.want {
			t.Errorf("%s: user = %s, want %s", c.name, c.got, c.want)
		}
	}
}

// signInError returns the error of SignIn for that user data. The store must not be called.
func signInError[U any](t *testing.T, user U) error {
	t.Helper()
	store := newTap()
	m, err := engine.New(engine.Config[U]{
		Secret: testSecret, Store: store, Logger: discard,
		LoadUser: func(context.Context, string) (U, error) { return user, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.SignIn(t.Context(), "u1")
	if calls := store.took(); len(calls) != 0 {
		t.Errorf("user data %#v: store calls %v", user, calls)
	}
	return err
}

func TestSignInRefusesUserDataThatOnlyTheValueShows(t *testing.T) {
	t.Parallel()
	const noObject = "marshals to null, want a JSON object"
	for _, c := range []struct {
		name, want string
		err        error
	}{
		{"nil pointer", noObject, signInError[*profile](t, nil)},
		{"nil map", noObject, signInError[map[string]any](t, nil)},
		{"nil interface", noObject, signInError[any](t, nil)},
		{"string in an interface", "want a JSON object", signInError[any](t, "text")},
		{"map with user_id", `"user_id"`, signInError(t, map[string]any{"user_id": "admin"})},
		{"map with User_Id", `"User_Id"`, signInError(t, map[string]any{"a": 1, "User_Id": "admin"})},
		{"map with a long s", `"uſer_id"`, signInError(t, map[string]any{"uſer_id": "admin"})},
		{"field tagged and omitted when empty", `"user_id"`, signInError(t, omitted{"x"})},
		{"field tagged and omitted when zero", `"USER_ID"`, signInError(t, &omitzero{"x"})},
		{"embedded", `"user_id"`, signInError(t, &embedding{omitted{"x"}})},
		{"embedded twice, by pointer", `"user_id"`, signInError(t, &embedsPtr{&Deep{omitted{"x"}}})},
		{"struct in an interface", `"user_id"`, signInError[any](t, tagged{"admin"})},
		{"value that does not marshal", "unsupported type", signInError(t, map[string]any{"f": func() {}})},
		{"value that does not decode", "does not decode", signInError(t, &struct{ E error }{errors.New("x")})},
	} {
		if !errors.Is(c.err, session.CodeDatabaseUpdateFailed) || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: SignIn = %v, want %v with %q", c.name, c.err, session.CodeDatabaseUpdateFailed, c.want)
		}
	}
}
