package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

func TestSessionJSONIsTheSeedsForm(t *testing.T) {
	t.Parallel()
	user := session.User[profile]{ID: "u1", Data: profile{Username: "ann"}}
	for _, c := range []struct {
		name, want string
		session    session.Session[profile]
	}{
		{"with tokens", `{"user":{"user_id":"u1","username":"ann"},"access_token":"A","refresh_token":"R"}`,
			session.Session[profile]{User: user, AccessToken: "A", RefreshToken: "R", ID: session.NewID(), Generation: 7}},
		{"without refresh token", `{"user":{"user_id":"u1","username":"ann"},"access_token":"A"}`,
			session.Session[profile]{User: user, AccessToken: "A"}},
		{"without tokens", `{"user":{"user_id":"u1","username":"ann"}}`, session.Session[profile]{User: user}},
	} {
		got, err := json.Marshal(c.session)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v, want %s", c.name, got, err, c.want)
		}
		back := session.Session[profile]{}
		if err := json.Unmarshal(got, &back); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		c.session.ID, c.session.Generation = session.ID{}, 0 // not on the wire
		if diff := cmp.Diff(c.session, back); diff != "" {
			t.Errorf("%s: round trip (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestUserJSONKeepsOddNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"", "Zoë ~>?", "</script><script>alert(1)</script>", "<!--", "]]>", "a\u2028b\u2029c", "\x00\x1f\x7f",
		`"quoted" \back`, "user_id", "👩‍👩‍👧", "ſ", "\ufffd", "\r\n",
	} {
		user := session.User[profile]{ID: "id of " + name, Data: profile{Username: name}}
		b, err := json.Marshal(user)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if strings.ContainsAny(string(b), "<>&\u2028\u2029") {
			t.Errorf("%q is not safe inside a script element: %s", name, b)
		}
		var back session.User[profile]
		if err := json.Unmarshal(b, &back); err != nil || back != user {
			t.Errorf("%q comes back as %+v, %v", name, back, err)
		}
	}
}

func TestUserJSONRefusesWhatIsNotOneUser(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		``, `null`, `[]`, `"u1"`, `1`, `{}`, `{"username":"ann"}`,
		`{"user_id":"u1","user_id":"u2"}`, `{"user_id":"u1","USER_ID":"u2"}`, `{"USER_ID":"u1"}`,
		`{"user_id":"u1","\u0075ser_id":"u2"}`, `{"user_id":"u1","uſer_id":"u2"}`,
		`{"user_id":1}`, `{"user_id":["u1"]}`, `{"user_id":"u1","username":7}`, `{"user_id":"u1"`, `{"user_id":"u1"}}`,
	} {
		var user session.User[profile]
		if err := json.Unmarshal([]byte(in), &user); err == nil {
			t.Errorf("%s decodes to %+v", in, user)
		}
	}
	var user session.User[profile]
	if err := json.Unmarshal([]byte(` { "username" : "ann" , "x":{"user_id":1}, "\u0075ser_id" : "u1" } `), &user); err != nil || user.ID != "u1" || user.Data.Username != "ann" {
		t.Errorf("one user_id in any place and spelling of the same string: %+v, %v", user, err)
	}
}

func TestUserJSONRefusesANullUserID(t *testing.T) {
	t.Parallel()
	var user session.User[profile]
	if err := json.Unmarshal([]byte(`{"user_id":null}`), &user); err == nil {
		t.Errorf("null is a user id: %+v", user)
	}
}

// FuzzUserJSON: whatever the id and the data, the JSON has one user_id and
// decodes to the same value, and nothing in it can end a script element.
func FuzzUserJSON(f *testing.F) {
	for _, s := range [][3]string{
		{"u1", "username", "ann"}, {"", "", ""}, {"Zoë ~>?", "</script", "<!--"}, {"\u2028", "user_id", "x"},
		{"u", "USER_ID", "x"}, {"u", "uſer_id", "\u2029"}, {"u", `\u0075ser_id`, `\"`}, {"\x00", "_id", "\xff"},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, id, key, value string) {
		if !utf8.ValidString(id) || !utf8.ValidString(key) || !utf8.ValidString(value) {
			return // encoding/json replaces invalid bytes; CheckUserID refuses such ids
		}
		user := session.User[map[string]string]{ID: id, Data: map[string]string{key: value}}
		b, err := json.Marshal(user)
		if strings.EqualFold(key, "user_id") {
			if err == nil {
				t.Fatalf("data with member %q is accepted: %s", key, b)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(string(b), "<>&\u2028\u2029") {
			t.Fatalf("not safe inside a script element: %s", b)
		}
		var back session.User[map[string]string]
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if diff := cmp.Diff(user, back); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", b, diff)
		}
		var members map[string]any
		if err := json.Unmarshal(b, &members); err != nil || members["user_id"] != id || len(members) != 2 {
			t.Fatalf("%s has members %v, %v", b, members, err)
		}
	})
}

// lossy is user data of which JSON loses a part.
type lossy struct {
	Kept   string
	secret string
	Any    any
}

// What requests see is what tokens carry, from the first one on: the answer that
// makes a token knows no more than those that follow.
func TestEveryAnswerSeesWhatTokensCarry(t *testing.T) {
	t.Parallel()
	m, err := session.New(session.Config[lossy]{
		Secret: testSecret, Store: memstore.New(), Logger: discard,
		LoadUser: func(context.Context, string) (lossy, error) {
			return lossy{"kept", "lost", lossy{Kept: "a map now"}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := lossy{Kept: "kept", Any: map[string]any{"Kept": "a map now", "Any": nil}}
	check := func(what string, s session.Session[lossy], err error) {
		t.Helper()
		if diff := cmp.Diff(want, s.User.Data, cmp.AllowUnexported(lossy{})); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
	signedIn, err := m.SignIn(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	check("SignIn", signedIn.Session, nil)
	verified, err := m.Verify(signedIn.Session.AccessToken, signedIn.Fingerprint)
	check("Verify", verified, err)
	reloaded, err := m.Reload(t.Context(), verified)
	check("Reload", reloaded, err)
	credential, err := m.ParseRefreshToken(signedIn.Session.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	refreshed, err := m.Refresh(t.Context(), signedIn.Fingerprint, credential)
	check("Refresh", refreshed.Session, err)
}

type tenantKey struct{}

// LoadUser sees no request's values, at sign-in as at every refresh after it; else it
// could work by them at first and fail a quarter of an hour later. It sees the end of
// the request that waits for it.
func TestLoadUserSeesNoRequestsValues(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), tenantKey{}, "a tenant"))
	loads := 0
	a.load = func(ctx context.Context) (profile, error) {
		loads++
		if v := ctx.Value(tenantKey{}); v != nil {
			t.Errorf("load %d sees %v", loads, v)
		}
		return profile{}, nil
	}
	s, err := a.SignIn(ctx, "u1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Reload(ctx, s.Session); err != nil {
		t.Error(err)
	}
	credential, err := a.ParseRefreshToken(s.Session.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Refresh(ctx, s.Fingerprint, credential); err != nil {
		t.Error(err)
	}
	if loads != 3 {
		t.Errorf("%d loads", loads)
	}

	a.load = func(ctx context.Context) (profile, error) {
		cancel()
		<-ctx.Done()
		return profile{}, ctx.Err()
	}
	if _, err := a.SignIn(ctx, "u1"); !errors.Is(err, session.CodeDatabaseUpdateFailed) {
		t.Errorf("a request that has ended: %v", err)
	}

	deadline := time.Now().Add(time.Second)
	short, stop := context.WithDeadline(t.Context(), deadline)
	defer stop()
	a.load = func(ctx context.Context) (profile, error) {
		if d, ok := ctx.Deadline(); !ok || !d.Equal(deadline) {
			t.Errorf("LoadUser has until %v, want the request's %v", d, deadline)
		}
		return profile{}, context.DeadlineExceeded
	}
	if _, err := a.SignIn(short, "u1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a deadline: %v", err)
	}
}

// A request that ends takes its sign-in or reload with it, at once and not when the
// time is up.
func TestSignInAndReloadEndWithTheirRequest(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(*app, context.Context, session.Session[profile]) error{
		"SignIn": func(a *app, ctx context.Context, _ session.Session[profile]) error {
			_, err := a.SignIn(ctx, "u1")
			return err
		},
		"Reload": func(a *app, ctx context.Context, s session.Session[profile]) error {
			_, err := a.Reload(ctx, s)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, nil)
				s, err := a.SignIn(t.Context(), "u1")
				if err != nil {
					t.Fatal(err)
				}
				a.load = func(ctx context.Context) (profile, error) { <-ctx.Done(); return profile{}, ctx.Err() }
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				begin := time.Now()
				err = call(a, ctx, s.Session)
				if took := time.Since(begin); err == nil || took != time.Second {
					t.Errorf("%v after %v, want an error after a second", err, took)
				}
			})
		})
	}
}

func TestSessionsAsJSON(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil)
	s, err := m.SignIn(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	list, err := m.Sessions(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	back := map[session.ID]session.Record{}
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list, back); diff != "" || len(back) != 1 || !strings.Contains(string(data), `"`+s.Session.ID.String()+`":`) {
		t.Errorf("%s (-list +back):\n%s", data, diff)
	}
	if err := json.Unmarshal([]byte(`{"`+strings.Repeat("A", 21)+`!":{}}`), &back); err == nil {
		t.Error("a bad id is read")
	}
	id := s.Session.ID
	if err := id.UnmarshalText([]byte("bad")); err == nil || id != s.Session.ID {
		t.Errorf("after a bad one the id is %v, %v, want it as it was", id, err)
	}
}
