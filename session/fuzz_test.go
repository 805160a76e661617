package session_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lucia-go/lucia/session"
)

// FuzzDecode reads any text as a user, as a session id, as a code and as a kind of notice. A text
// is refused, or it is what the value is written as. encoding/json is the model of a user.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"user_id":"u1"}`, `{"user_id":"u1","username":"ann"}`, `{"username":"ann","user_id":"u1"}`, `{"user_id":"u1","USER_ID":"u2"}`, `{"user_id":"u1","user_id":"u2"}`,
		`{"user_id":"u1","a":{"user_id":"u2"}}`, `{"user_id":"u1","u\u0073er_id":"u2"}`, `{"user_id":"u1",}`, `{"user_id":"u1","a":1}}`, `{"user_id":"u1","a":1 }`, `{"user_id":1}`, `{"user_id":null}`,
		`{"user_id":"\u0075","a":[1e3,true,null,"\ud800"]}`, `{"user_id":"u` + "\xff" + `"}`, `{"user_id":"u1","uſer_id":"x"}`, `{"user_id":"u1" ,"a":1}`, `{}`, `[]`, `null`, `"u1"`, ``,
		`{"user_id":"u1","x_":"_id","\\":"\""}`, `{"user_id":"a","":"x","b":{},"b":2}`,
		"c2Vzc2lvbi1zYW1wbGUtMQ", "c2Vzc2lvbi1zYW1wbGUtMR", "c2Vzc2lvbi1zYW1wbGUt\nQ", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA==",
		"AUTH_UNAUTHORIZED", "auth_unauthorized", "UNKNOWN", "end", "reload", "invalid notice", "END",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		checkUser(t, s)
		id, err := session.ParseID(s)
		if err == nil && id.String() != s || err != nil && id != (session.ID{}) {
			t.Errorf("ParseID(%q) = %v, %v", s, id, err)
		}
		if c, ok := session.ParseCode(s); ok != (string(c) == s) || !ok && c != session.CodeUnknown {
			t.Errorf("ParseCode(%q) = %q, %t", s, c, ok)
		}
		if k, ok := session.ParseNoticeKind(s); ok != (k != 0) || ok && k.String() != s {
			t.Errorf("ParseNoticeKind(%q) = %v, %t", s, k, ok)
		}
	})
}

func checkUser(t *testing.T, s string) {
	t.Helper()
	var user, again session.User[map[string]any]
	if json.Unmarshal([]byte(s), &user) != nil || s == "null" || strings.TrimSpace(s) == "null" {
		return
	}
	var model map[string]any
	if err := json.Unmarshal([]byte(s), &model); err != nil {
		t.Fatalf("%q is read as %+v: %v", s, user, err)
	}
	if model["user_id"] != user.ID {
		t.Errorf("%q is read as the user %q", s, user.ID)
	}
	delete(model, "user_id")
	for name := range model {
		if strings.EqualFold(name, "user_id") {
			t.Errorf("%q is read as %+v, although it has a member %q", s, user, name)
		}
	}
	if diff := cmp.Diff(model, user.Data); diff != "" {
		t.Errorf("%q (-encoding/json +User):\n%s", s, diff)
	}
	data, err := json.Marshal(user)
	if err != nil {
		t.Fatalf("%+v: %v", user, err)
	}
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	if diff := cmp.Diff(user, again); diff != "" {
		t.Errorf("%s (-want +got):\n%s", data, diff)
	}
}
