package client_test

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http/httpguts"

	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// The secrets that the client has in the fuzz targets. No error may contain them.
const (
	heldAccess   = "held-access-token"
	heldRefresh  = "held-refresh-token"
	heldPassword = "held-password"
)

// checkSendable fails the test unless net/http can send the request, and unless it goes to the
// origin of the app.
func checkSendable(t *testing.T, req *http.Request) {
	t.Helper()
	if host := strings.TrimSuffix(strings.ToLower(req.URL.Host), ":443"); req.URL.Scheme != "https" || host != "app.example" {
		t.Errorf("request to %s", req.URL)
	}
	for name, values := range req.Header {
		for _, value := range values {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
				t.Errorf("request with the header %q: %q, which net/http refuses", name, value)
			}
		}
	}
}

// checkError fails the test unless err is the client's own error with a known code and without a
// secret.
func checkError(t *testing.T, err error) *client.Error {
	t.Helper()
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		t.Fatalf("%v is not an *Error", err)
	}
	if _, known := session.ParseCode(string(e.Code)); !known {
		t.Errorf("%v has the unknown code %q", err, e.Code)
	}
	checkNoSecret(t, err)
	return e
}

func checkNoSecret(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{heldAccess, heldRefresh, heldPassword} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error contains a secret: %v", err)
		}
	}
}

// checkSession fails the test unless the client could have got the session from a server.
func checkSession(t *testing.T, s *session.Session[profile]) {
	t.Helper()
	if session.CheckUserID(s.User.ID) != nil || s.ID == (session.ID{}) {
		t.Errorf("session %v of the user %q", s.ID, s.User.ID)
	}
	if s.IssuedAt.After(s.ExpiresAt) || time.Until(s.ExpiresAt) > wire.MaxExpiresIn*time.Second {
		t.Errorf("session from %v to %v", s.IssuedAt, s.ExpiresAt)
	}
}

// ours returns the value that the last Set-Cookie line for a cookie of the library leaves, and
// whether there is such a line.
func ours(lines []*http.Cookie, name string) (value string, found bool) {
	for _, c := range lines {
		if strings.TrimPrefix(strings.TrimPrefix(c.Name, "__Host-"), "__Secure-") != name {
			continue
		}
		value, found = c.Value, true
		if c.MaxAge < 0 || c.MaxAge == 0 && !c.Expires.IsZero() && !c.Expires.After(time.Now()) {
			value = ""
		}
	}
	return value, found
}

// FuzzAnswer gives the client any answer of a server to a refresh, to a request for the session, to
// a sign-out and to a request of the program. A proxy or another program may have written it.
func FuzzAnswer(f *testing.F) {
	payload := base64.RawURLEncoding.EncodeToString([]byte(`{"sid":"` + sampleID + `","gen":2,"iat":1,"exp":901}`))
	refreshed := `{"user":{"user_id":"u1","username":"ada"},"session_id":"` + sampleID + `","access_token":"e30.` + payload +
		`.c2ln","refresh_token":"r2","expires_in":900}`
	const access = "Set-Cookie: __Host-access_token=a; Max-Age=900; Path=/; Secure; HttpOnly\r\n"
	const cookies = "Set-Cookie: __Host-fingerprint_token=f; Max-Age=900; Path=/; Secure; HttpOnly\r\n" + access
	for call := range uint8(4) {
		for _, s := range []string{
			"200 OK\r\n" + cookies + "\r\n" + refreshed,
			"200 OK\r\n" + access + "\r\n" + refreshed,
			"200 OK\r\n" + strings.ReplaceAll(access, "900", "9223372036854775807") + "\r\n" + refreshed,
			"200 OK\r\n" + cookies + "\r\n" + `{"_lucia":` + refreshed + `,"expires_in":900,"session_id":"` + sampleID + `"}`,
			"200 OK\r\n\r\n" + strings.Replace(refreshed, `"r2"`, `"r\n2"`, 1),
			"200 OK\r\n\r\n" + strings.Replace(refreshed, `"e30.`, `"e30 .`, 1),
			"200 OK\r\n\r\n" + strings.Replace(refreshed, `.c2ln`, `.é`, 1),
			"200 OK\r\n" + strings.ReplaceAll(cookies, "900", "9223372036854775807") + "\r\n" + refreshed,
			"200 OK\r\n" + strings.ReplaceAll(cookies, "Max-Age=900", "Expires=Thu, 01 Jan 1970 00:00:00 GMT") + "\r\n" + refreshed,
			"200 OK\r\n" + strings.ReplaceAll(cookies, "900", "0") + "Set-Cookie: __Secure-access_token=b\r\n\r\n" + refreshed,
			"200 OK\r\n\r\n" + `{"_lucia":null,"expires_in":0}`, "200 OK\r\n\r\nnull", "200 OK\r\n\r\n" + `{"_lucia":{}}`,
			"401 Unauthorized\r\n\r\n" + `{"message":"AUTH_UNAUTHORIZED"}`, "401 Unauthorized\r\n\r\n" + `{"MESSAGE":"AUTH_UNAUTHORIZED"}`,
			"401 Unauthorized\r\nWWW-Authenticate: " + wire.ChallengeInvalid + "\r\n\r\n" + `{"message":"AUTH_NOT_AUTHENTICATED"}`,
			"500 Oops\r\n\r\n" + `{"message":"AUTH_UNAUTHORIZED"}`, "503 Later\r\nRetry-After: 99999999999\r\n\r\n" + `{"message":"DATABASE_FETCH_FAILED"}`,
			"503 Later\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n\r\n", "302 Found\r\nLocation: https://evil.example/\r\n\r\n",
			"204 No Content\r\n" + strings.ReplaceAll(cookies, "900", "-1") + "\r\n", "200 OK\r\nContent-Length: 99\r\n\r\nshort", "",
		} {
			f.Add(call, "HTTP/1.1 "+s)
		}
	}
	id, err := session.ParseID(sampleID)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, call uint8, raw string) {
		var last *http.Response
		var set string // the cookies of the last request
		tokens := newMemoryTokenStore()
		config := client.Config{BaseURL: baseURL, TokenStore: tokens, Transport: roundTripper(
			func(req *http.Request) (resp *http.Response, err error) {
				checkSendable(t, req)
				set = req.Header.Get("Cookie")
				resp, err = http.ReadResponse(bufio.NewReader(strings.NewReader(raw)), req)
				if err == nil {
					last = resp
				}
				return resp, err
			})}
		c, err := client.New[profile](t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		before := &session.Session[profile]{ID: id, User: session.User[profile]{ID: "u1"}, AccessToken: heldAccess, RefreshToken: heldRefresh}
		c.GetSession().Set(before)
		switch call % 4 {
		case 0:
			_, err = c.RefreshTokens(t.Context(), "")
		case 1:
			_, err = c.FetchSession(t.Context())
		case 2:
			err = c.SignOut(t.Context())
		case 3:
			checkRequest(t, c)
			return
		}
		after := c.GetSession().Get()
		gone := false
		if err != nil {
			gone = checkError(t, err).Gone()
		}
		signedOut := call%4 == 2 && err == nil
		switch {
		case gone && (last == nil || last.StatusCode != 401 || after != nil):
			t.Errorf("%v after %+v, session %v", err, last, after)
		case err != nil && !gone && after != before:
			t.Errorf("%v, but the session is %+v", err, after)
		case (after == nil) != (gone || signedOut):
			t.Errorf("%v, session %v", err, after)
		}
		if after == nil || err != nil {
			return
		}
		checkSession(t, after)
		if data, _, _ := tokens.saved(); data != nil {
			again, err := client.New[profile](t.Context(), config)
			if err != nil {
				t.Fatalf("the saved session cannot be loaded: %v", err)
			}
			a, b := *after, *again.GetSession().Get()
			if !a.ExpiresAt.Equal(b.ExpiresAt) || !a.IssuedAt.Equal(b.IssuedAt) {
				t.Errorf("saved %v to %v, loaded %v to %v", a.IssuedAt, a.ExpiresAt, b.IssuedAt, b.ExpiresAt)
			}
			b.IssuedAt, b.ExpiresAt = a.IssuedAt, a.ExpiresAt
			if diff := cmp.Diff(a, b); diff != "" {
				t.Errorf("saved and loaded (-saved +loaded):\n%s", diff)
			}
		}
		lines := last.Cookies()
		checkRequest(t, c)
		for _, name := range []string{wire.CookieAccess, wire.CookieFingerprint} {
			want, found := ours(lines, name)
			if kept := strings.Contains(set, name+"="); found && kept != (want != "") {
				t.Errorf("after Set-Cookie %+v the next request has the cookies %q", lines, set)
			}
		}
	})
}

// checkRequest sends a request of the program.
func checkRequest(t *testing.T, c *client.Client[profile]) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", baseURL+"/api/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&client.Transport[profile]{Client: c}).RoundTrip(req)
	if (resp == nil) == (err == nil) {
		t.Fatalf("RoundTrip = %v, %v", resp, err)
	}
	if err != nil {
		checkNoSecret(t, err)
		return
	}
	resp.Body.Close()
}

// FuzzSavedSession gives the client any data of a TokenStore, which another program may have
// written or damaged.
func FuzzSavedSession(f *testing.F) {
	const good = `{"version":1,"origin":"https://app.example/api/auth","session_id":"` + sampleID + `","_lucia":{"user":{"user_id":"u1","username":"ada"},` +
		`"access_token":"` + heldAccess + `","refresh_token":"` + heldRefresh + `"},"issued_at":"2126-01-01T00:00:00Z","expires_at":"2126-01-01T00:15:00Z",` +
		`"cookies":{"access":{"name":"__Host-access_token","value":"a"},"refresh":{"name":"__Host-encrypt_refresh_token","value":"r"},` +
		`"fingerprint":{"name":"__Host-fingerprint_token","value":"f","expires":"2126-01-01T00:15:00Z"}}}`
	change := func(old, next string) {
		s := strings.Replace(good, old, next, 1)
		if s == good {
			f.Fatalf("%q is not in the good data", old)
		}
		f.Add(s)
	}
	f.Add(good)
	change(heldAccess, `a\nb`)
	change(heldAccess, `é`)
	change(heldRefresh, `r 2`)
	change(`"user_id":"u1"`, `"user_id":""`)
	change(`"user_id":"u1"`, `"user_id":"`+strings.Repeat("u", 300)+`"`)
	change("2126-01-01T00:15:00Z", "0001-01-01T00:00:01Z")
	f.Add(strings.ReplaceAll(good, "2126-01-01", "0001-01-01"))
	f.Add(strings.Replace(strings.Replace(good, "2126-01-01T00:00", "2400-01-01T00:00", 1), "2126-01-01T00:15", "2020-01-01T00:15", 1))
	change(`"2126-01-01T00:15:00Z"`, `"`+heldRefresh+`"`)
	change(`__Host-access_token","value":"a"`, `session","value":"a"`)
	change(`"value":"f"`, `"value":"f; x\r\ny"`)
	change(`"version":1`, `"version":2`)
	change(`"version":1`, `"version":"`+heldAccess+`"`)
	change("https://app.example", "https://evil.example")
	change(sampleID, "AAAA")
	change(`"_lucia":{`, `"_lucia":null,"x":{`)
	for _, s := range []string{"", "null", "{}", "[", good[:200], good + "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data string) {
		const answer = `{"user":{"user_id":"u1"},"session_id":%q,"access_token":"e30.e30.c2ln","refresh_token":"r2","expires_in":900}`
		var paths []string
		tokens := newMemoryTokenStore()
		if data != "" {
			tokens.data = []byte(data)
		}
		var id session.ID
		config := client.Config{BaseURL: baseURL, TokenStore: tokens, Transport: roundTripper(
			func(req *http.Request) (*http.Response, error) {
				checkSendable(t, req)
				for _, c := range req.Cookies() {
					if !strings.Contains(c.Name, "_token") {
						t.Errorf("the client sends the cookie %v", c)
					}
				}
				paths = append(paths, req.URL.Path)
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: newBody(fmt.Sprintf(answer, id)), Request: req}, nil
			})}
		c, err := client.New[profile](t.Context(), config)
		if (c == nil) == (err == nil) {
			t.Fatalf("New = %v, %v", c, err)
		}
		if err != nil {
			checkNoSecret(t, err)
			if !errors.Is(err, client.ErrSavedSession) && !strings.Contains(err.Error(), "belongs to") {
				t.Errorf("%v does not wrap ErrSavedSession", err)
			}
			if got, _, _ := tokens.saved(); string(got) != data {
				t.Errorf("the saved session has become %q", got)
			}
			return
		}
		s := c.GetSession().Get()
		if s == nil {
			if data != "" {
				t.Errorf("%q is read as no session", data)
			}
			return
		}
		id = s.ID
		if session.CheckUserID(s.User.ID) != nil {
			t.Errorf("a session of the user %q", s.User.ID)
		}
		checkRequest(t, c)
		if expired := !s.ExpiresAt.IsZero() && s.ExpiresAt.Before(time.Now()); expired && paths[0] != "/api/auth/refresh" {
			t.Errorf("a request with a token that expired at %v", s.ExpiresAt)
		}
		if _, err := c.RefreshTokens(t.Context(), ""); err != nil {
			checkError(t, err)
			return
		}
		again, err := client.New[profile](t.Context(), config)
		if err != nil || again.GetSession().Get().ID != id {
			t.Errorf("the session is saved as one that cannot be read: %v", err)
		}
	})
}

// FuzzLoginPage gives SignIn any login page and any page or redirect after it. Whatever their forms
// and addresses say, the password goes to the app alone, and never into a URL.
func FuzzLoginPage(f *testing.F) {
	const form = `<form method=post action="/login"><input type=hidden name=csrf value=c><input name=username><input name=password type=password></form>`
	page := `<script type="application/json" id="lucia-page-data" data-expires-in="900" data-session="` + sampleID + `">{"_lucia":{"user":{"user_id":"u1"},` +
		`"access_token":"e30.e30.c2ln","refresh_token":"r"}}</script>`
	for _, s := range [][3]string{
		{form, "/profile", page},
		{form, "", page},
		{strings.Replace(form, "/login", "https://evil.example/login", 1), "", page},
		{strings.Replace(form, "/login", "//evil.example/login", 1), "", page},
		{strings.Replace(form, "/login", `\\evil.example`, 1), "", page},
		{`<base href="https://evil.example/">` + form, "", page},
		{strings.Replace(form, "</form>", `<button formaction="https://evil.example/" name=username value=ada></form>`, 1), "", page},
		{strings.Replace(form, "post", "get", 1), "", page},
		{form, "https://evil.example/", page}, {form, "//evil.example/", page}, {form, "http://app.example/", page}, {form, "https://app.example:443/x", page},
		{form, "?next", strings.Replace(page, `"r"`, `"r\n"`, 1)}, {form, "\x00", page}, {form, "/", strings.Replace(page, `"u1"`, `""`, 1)},
		{"", "/", "{}"},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, login, location, next string) {
		requests := 0
		transport := roundTripper(func(req *http.Request) (*http.Response, error) {
			checkSendable(t, req)
			if requests++; requests > 20 {
				t.Fatal("the client does not stop")
			}
			if strings.Contains(req.URL.String()+req.Referer(), heldPassword) {
				t.Errorf("the password is part of a URL: %s", req.URL)
			}
			body := ""
			if req.Body != nil {
				data, err := io.ReadAll(req.Body)
				if err != nil {
					t.Fatal(err)
				}
				body = string(data)
			}
			if strings.Contains(body, heldPassword) && req.Method != "POST" {
				t.Errorf("the password is sent with %s", req.Method)
			}
			resp := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/html"}}, Request: req, Body: newBody(next)}
			switch {
			case requests == 1:
				resp.Body = newBody(login)
			case req.Method == "POST":
				resp.Header["Set-Cookie"] = []string{"__Host-fingerprint_token=f; Secure; Path=/", "__Host-access_token=a; Secure; Path=/"}
				if location != "" {
					resp.StatusCode, resp.Header["Location"] = 303, []string{location}
				}
			}
			return resp, nil
		})
		c, err := client.New[profile](t.Context(), client.Config{BaseURL: baseURL, Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.SignIn(t.Context(), "/login", url.Values{"username": {"ada"}, "password": {heldPassword}})
		if (s == nil) == (err == nil) || s != c.GetSession().Get() {
			t.Fatalf("SignIn = %v, %v", s, err)
		}
		if err != nil {
			checkError(t, err)
			return
		}
		checkSession(t, s)
		checkRequest(t, c)
	})
}
