package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// User is a user's id and the app's own data about the user, as LoadUser returned it. In JSON the
// members of the data follow the id:
//
//	{"user_id":"…", …members of U}
//
// U must marshal to a JSON object, and no member of it may decode as user_id. Requests see U
// decoded from the access token, so a field that JSON leaves out is zero.
//
// Users and the scripts of their pages can read the data, because it is in the page data and,
// signed but not encrypted, in the access token. So U must hold only what users may know about
// themselves, and no password hash.
type User[U any] struct {
	ID   string
	Data U
}

const userIDMember = "user_id"

// LogValue returns the id and no user data.
func (u User[U]) LogValue() slog.Value { return slog.GroupValue(slog.String("user_id", u.ID)) }

// MarshalJSON implements [json.Marshaler]. It returns an error if the data does not marshal to an
// object or has a user_id of its own.
func (u User[U]) MarshalJSON() ([]byte, error) {
	data, err := json.Marshal(u.Data)
	if err != nil {
		return nil, err
	}
	if err := checkUserData(data); err != nil {
		return nil, fmt.Errorf("session: user data %w", err)
	}
	b := make([]byte, 0, len(`{"user_id":"",`)+len(u.ID)+len(data))
	b = append(b, `{"user_id":`...)
	b = appendJSONString(b, u.ID)
	if len(data) > len("{}") {
		b = append(b, ',')
	}
	return append(b, data[1:]...), nil
}

// UnmarshalJSON implements [json.Unmarshaler]. It returns an error unless the object has exactly
// one user_id, in exactly that spelling, and no other member that decodes as one.
func (u *User[U]) UnmarshalJSON(b []byte) error {
	if id, data, ok := cutUserID(b); ok {
		u.ID = id
		return json.Unmarshal(data, &u.Data)
	}
	if !json.Valid(b) { // splitUserID does not check what follows the object
		return errors.New("session: user is not valid JSON")
	}
	id, rest, err := splitUserID(b)
	if err != nil {
		return err
	}
	u.ID = id
	return json.Unmarshal(rest, &u.Data)
}

// cutUserID cuts the user_id out of what MarshalJSON wrote, the form that access tokens carry. It
// succeeds in the common case: the id comes first and needs no unquoting, and no other member can
// decode as one. It does not check whether data is valid JSON.
func cutUserID(b []byte) (id string, data []byte, ok bool) {
	const head = `{"user_id":"`
	rest, found := bytes.CutPrefix(b, []byte(head))
	plain, rest, closed := bytes.Cut(rest, []byte{'"'})
	members := bytes.HasPrefix(rest, []byte(`,"`))
	if !found || !closed || !isPlain(plain) || mayNameUserID(rest) || !members && string(rest) != "}" {
		return "", nil, false
	}
	data = append(make([]byte, 0, len(rest)+1), '{')
	if !members {
		return string(plain), append(data, '}'), true
	}
	return string(plain), append(data, rest[1:]...), true
}

// checkUserData returns an error unless data, which is valid compact JSON, is an object without a
// user_id.
func checkUserData(data []byte) error {
	if data[0] != '{' {
		return fmt.Errorf("marshals to %.20s, want a JSON object", data)
	}
	if !mayNameUserID(data) {
		return nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	for name := range members {
		if strings.EqualFold(name, userIDMember) {
			return fmt.Errorf("has a member %q, which decodes as user_id, a member of the session", name)
		}
	}
	return nil
}

// mayNameUserID is a cheap test that accepts all ordinary data without parsing it. A member that
// decodes as user_id contains "_id" in some case, or an escape.
func mayNameUserID(data []byte) bool {
	for rest := data; ; {
		i := bytes.IndexAny(rest, `_\`)
		if i < 0 {
			return false
		}
		if rest[i] == '\\' || len(rest) > i+2 && rest[i+1]|0x20 == 'i' && rest[i+2]|0x20 == 'd' {
			return true
		}
		rest = rest[i+1:]
	}
}

// splitUserID cuts the user_id out of an object.
func splitUserID(b []byte) (id string, rest []byte, err error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	if tok, err := dec.Token(); err != nil {
		return "", nil, err
	} else if tok != json.Delim('{') {
		return "", nil, errors.New("session: user is not a JSON object")
	}
	found := false
	rest = append(rest, '{')
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return "", nil, err
		}
		name := key.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return "", nil, err
		}
		if strings.EqualFold(name, userIDMember) {
			if found || name != userIDMember {
				return "", nil, errors.New("session: user has more than one user_id")
			}
			found = true
			if value[0] != '"' || json.Unmarshal(value, &id) != nil {
				return "", nil, errors.New("session: user_id is not a string")
			}
			continue
		}
		rest = appendMember(rest, name, value)
	}
	if !found {
		return "", nil, errors.New("session: user has no user_id")
	}
	return id, append(rest, '}'), nil
}

func appendMember(b []byte, name string, value json.RawMessage) []byte {
	if len(b) > 1 {
		b = append(b, ',')
	}
	quoted, _ := json.Marshal(name) // a string always marshals
	b = append(b, quoted...)
	b = append(b, ':')
	return append(b, value...)
}

// appendJSONString appends s as json.Marshal writes it.
func appendJSONString(b []byte, s string) []byte {
	if isPlain(s) {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	quoted, _ := json.Marshal(s) // a string always marshals
	return append(b, quoted...)
}

// isPlain reports whether json.Marshal writes s unchanged.
func isPlain[T string | []byte](s T) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}
