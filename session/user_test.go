package session_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/lucia-go/lucia/session"
)

// profile is an app's user data.
type profile struct {
	Username string `json:"username"`
}

func TestSessionJSONIsTheFormOfLuciaSvelteKit(t *testing.T) {
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

// FuzzUserJSON checks that the JSON of any id and data has one user_id, decodes to the same
// value, and cannot end a script element.
func FuzzUserJSON(f *testing.F) {
	for _, s := range [][3]string{
		{"u1", "username", "ann"}, {"", "", ""}, {"Zoë ~>?", "</script", "<!--"}, {"\u2028", "user_id", "x"},
		{"u", "USER_ID", "x"}, {"u", "uſer_id", "\u2029"}, {"u", `\u0075ser_id`, `\"`}, {"\x00", "_id", "\xff"},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, id, key, value string) {
		if !utf8.ValidString(id) || !utf8.ValidString(key) || !utf8.ValidString(value) {
			return // encoding/json replaces invalid bytes; CheckUserID rejects such ids
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
