package client_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/session"
)

// FuzzAccessToken checks that the client reads any access token without a panic. It either makes a
// session of it, or returns UNKNOWN and keeps its session.
func FuzzAccessToken(f *testing.F) {
	const sound = `{"user":{"user_id":"u1","username":"ada"},"sid":"c2Vzc2lvbi1zYW1wbGUtMQ","gen":2,"iat":1,"exp":901}`
	for _, payload := range []string{
		sound,
		`{"user":{"user_id":"u1"},"sid":"c2Vzc2lvbi1zYW1wbGUtMQ","iat":-9223372036854775808,"exp":9223372036854775807}`,
		`{"user":{"user_id":"u1","username":7},"sid":"c2Vzc2lvbi1zYW1wbGUtMQ"}`,
		`{"user":null,"sid":""}`, `null`, `[]`, ``,
	} {
		f.Add(payload)
	}
	id, err := session.ParseID(sampleID)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
		c, err := client.New[profile](t.Context(), client.Config{BaseURL: baseURL, Transport: roundTripper(
			func(req *http.Request) (*http.Response, error) {
				body := fmt.Sprintf(`{"user":{"user_id":"u1"},"session_id":%q,"access_token":%q,"refresh_token":"r2","expires_in":900}`, sampleID, token)
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: newBody(body), Request: req}, nil
			})})
		if err != nil {
			t.Fatal(err)
		}
		before := &session.Session[profile]{ID: id, User: session.User[profile]{ID: "u1"}, AccessToken: "a", RefreshToken: "r1"}
		c.GetSession().Set(before)
		_, err = c.RefreshTokens(t.Context(), "")
		after := c.GetSession().Get()
		switch {
		case payload == sound && err != nil:
			t.Errorf("a valid token: %v", err) // otherwise all tokens would be refused
		case err == nil && (string(after.AccessToken) != token || session.CheckUserID(after.User.ID) != nil):
			t.Errorf("accepted %+v", after.User)
		case err == nil && after.IssuedAt.After(after.ExpiresAt):
			t.Errorf("valid from %v to %v", after.IssuedAt, after.ExpiresAt)
		case err != nil && (!errors.Is(err, session.CodeUnknown) || after != before):
			t.Errorf("%v, session %v", err, after)
		}
	})
}
