package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/internal/htmlform"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// The tests of the browser module use the same golden files.

// sampleID is the id of all sessions in the golden files.
const sampleID = "c2Vzc2lvbi1zYW1wbGUtMQ"

// attributes is any user data.
type attributes = map[string]any

type exchange struct {
	Request struct {
		Method, Path string
		Headers      map[string]*string
	}
	Response *struct {
		Status  int
		Headers map[string]string
		Body    string
	}
}

type call struct {
	Name       string
	Session    *session.Session[attributes]
	Token      session.RefreshToken
	Exchanges  []exchange
	Result     json.RawMessage
	Error      session.Code
	RetryAfter *int `json:"retry_after"`
	After      *session.Session[attributes]
}

func golden[T any](t *testing.T, name string) []T {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "internal", "wire", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatalf("%s has no cases", name)
	}
	return cases
}

// script answers requests as a golden case describes and checks them.
type script struct {
	t    *testing.T
	base string // what the paths are below
	left []exchange
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	if len(s.left) == 0 {
		s.t.Errorf("unexpected request %s %s", req.Method, req.URL)
		return nil, errors.New("unexpected")
	}
	x := s.left[0]
	s.left = s.left[1:]
	if want := s.base + x.Request.Path; req.Method != x.Request.Method || req.URL.Path != want {
		s.t.Errorf("request %s %s, want %s %s", req.Method, req.URL.Path, x.Request.Method, want)
	}
	for name, want := range x.Request.Headers {
		got := req.Header.Values(name)
		if want == nil && len(got) > 0 || want != nil && !cmp.Equal(got, []string{*want}) {
			s.t.Errorf("header %s differs from the golden file's", name)
		}
	}
	if x.Response == nil {
		return nil, errors.New("connection closed")
	}
	resp := &http.Response{
		StatusCode: x.Response.Status,
		Header:     http.Header{},
		Body:       http.NoBody,
		Request:    req,
	}
	for name, value := range x.Response.Headers {
		resp.Header.Set(name, value)
	}
	if x.Response.Body != "" {
		resp.Body = readCloser{strings.NewReader(x.Response.Body)}
	}
	return resp, nil
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// newGolden returns a client that holds the case's session and gets its answers.
func newGolden(t *testing.T, held *session.Session[attributes], exchanges []exchange) (*client.Client[attributes], *script) {
	t.Helper()
	s := &script{t: t, base: wire.DefaultBasePath, left: exchanges}
	c, err := client.New[attributes](t.Context(), client.Config{BaseURL: "https://app.example", Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	if held != nil {
		id, err := session.ParseID(sampleID)
		if err != nil {
			t.Fatal(err)
		}
		held.ID = id
	}
	c.GetSession().Set(held)
	return c, s
}

// visible is the part of a session that a page or a program sees.
func visible(t *testing.T, s *session.Session[attributes]) string {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (c *call) check(t *testing.T, got *client.Client[attributes], s *script, err error) {
	t.Helper()
	if code := session.CodeOf(err); code != c.Error {
		t.Errorf("error %v, want code %q", err, c.Error)
	}
	if c.RetryAfter != nil {
		e, ok := errors.AsType[*client.Error](err)
		if want := time.Duration(*c.RetryAfter) * time.Second; !ok || e.RetryAfter != want {
			t.Errorf("error %v, want one with RetryAfter %v", err, want)
		}
	}
	if len(s.left) > 0 {
		t.Errorf("%d requests of the golden file were not sent", len(s.left))
	}
	if diff := cmp.Diff(visible(t, c.After), visible(t, got.GetSession().Get())); diff != "" {
		t.Errorf("session afterwards (-want +got):\n%s", diff)
	}
}

func TestGoldenRefresh(t *testing.T) {
	t.Parallel()
	for _, c := range golden[call](t, "refresh.json") {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			got, s := newGolden(t, c.Session, c.Exchanges)
			tokens, err := got.RefreshTokens(t.Context(), c.Token)
			c.check(t, got, s, err)
			var want wire.Refreshed
			if c.Result != nil {
				if err := json.Unmarshal(c.Result, &want); err != nil {
					t.Fatal(err)
				}
			}
			if string(tokens.AccessToken) != want.AccessToken || string(tokens.RefreshToken) != want.RefreshToken {
				t.Error("tokens differ from the golden file's")
			}
		})
	}
}

func TestGoldenSignOut(t *testing.T) {
	t.Parallel()
	for _, c := range golden[call](t, "logout.json") {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			got, s := newGolden(t, c.Session, c.Exchanges)
			c.check(t, got, s, got.SignOut(t.Context()))
		})
	}
}

func TestGoldenFetch(t *testing.T) {
	t.Parallel()
	type request struct {
		call
		Status int
	}
	for _, c := range golden[request](t, "fetch.json") {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			got, s := newGolden(t, c.Session, c.Exchanges)
			s.base = ""
			resp, err := got.HTTPClient().Get("https://app.example/api/me")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != c.Status {
				t.Errorf("status %d, want %d", resp.StatusCode, c.Status)
			}
			c.check(t, got, s, nil)
		})
	}
}

// fetched is the body of the session route as golden files write it.
type fetched struct {
	Lucia     *session.Session[attributes] `json:"_lucia"`
	ExpiresIn int64                        `json:"expires_in"`
	SessionID string                       `json:"session_id"`
}

func TestGoldenSession(t *testing.T) {
	t.Parallel()
	for _, c := range golden[call](t, "session.json") {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			got, s := newGolden(t, nil, c.Exchanges)
			before := time.Now()
			_, err := got.FetchSession(t.Context())
			var want fetched
			if c.Result != nil {
				if err := json.Unmarshal(c.Result, &want); err != nil {
					t.Fatal(err)
				}
			}
			switch code := session.CodeOf(err); {
			case c.Error != "":
				// The error depends on the status alone.
				if code != c.Error && code != session.CodeDatabaseFetchFailed {
					t.Errorf("error %v, want code %q", err, c.Error)
				}
			case want.Lucia == nil:
				if code != session.CodeNotAuthenticated {
					t.Errorf("error %v, want AUTH_NOT_AUTHENTICATED", err)
				}
			case err != nil:
				t.Error(err)
			}
			checkFetched(t, before, want, got.GetSession().Get())
			if len(s.left) > 0 {
				t.Error("no request was sent")
			}
		})
	}
}

func checkFetched(t *testing.T, before time.Time, want fetched, got *session.Session[attributes]) {
	t.Helper()
	if diff := cmp.Diff(visible(t, want.Lucia), visible(t, got)); diff != "" {
		t.Errorf("session (-want +got):\n%s", diff)
	}
	if got == nil {
		return
	}
	if got.ID.String() != want.SessionID {
		t.Errorf("session id %s, want %s", got.ID, want.SessionID)
	}
	least := before.Add(time.Duration(want.ExpiresIn) * time.Second)
	if got.ExpiresAt.Before(least) || got.ExpiresAt.After(least.Add(time.Minute)) {
		t.Errorf("expires at %v, want %d s after %v", got.ExpiresAt, want.ExpiresIn, before)
	}
}

func TestGoldenPage(t *testing.T) {
	t.Parallel()
	type page struct {
		Name, HTML string
		Session    json.RawMessage
		SessionID  *string `json:"session_id"`
		ExpiresIn  int     `json:"expires_in"`
	}
	for _, c := range golden[page](t, "page.json") {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			got, err := htmlform.Read(strings.NewReader(c.HTML))
			if err != nil {
				t.Fatal(err)
			}
			var want, have any
			if err := json.Unmarshal(c.Session, &want); err != nil {
				t.Fatal(err)
			}
			if lucia := got.Data[wire.FormField]; lucia != nil {
				if err := json.Unmarshal(lucia, &have); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("session (-want +got):\n%s", diff)
			}
			id := ""
			if c.SessionID != nil {
				id = *c.SessionID
			}
			checkSignInThere(t, c.HTML, want)
			if got.SessionID != id || got.ExpiresIn != time.Duration(c.ExpiresIn)*time.Second {
				t.Errorf("session id %q, expires in %v, want %q, %d s", got.SessionID, got.ExpiresIn, id, c.ExpiresIn)
			}
		})
	}
}

// checkSignInThere signs in to an app that shows this page afterwards.
func checkSignInThere(t *testing.T, html string, want any) {
	t.Helper()
	if want == nil {
		return // the client then asks the session route
	}
	c, err := client.New[attributes](t.Context(), client.Config{BaseURL: "https://app.example", Transport: roundTripper(
		func(req *http.Request) (*http.Response, error) {
			h := http.Header{"Content-Type": {"text/html"}}
			if req.Method == http.MethodPost {
				h.Set("Set-Cookie", "__Host-fingerprint_token=f; Path=/; Secure")
			}
			return &http.Response{StatusCode: 200, Header: h, Body: newBody(html), Request: req}, nil
		})})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.SignIn(t.Context(), "/login", nil)
	if err != nil {
		t.Error(err)
		return
	}
	var have any
	if err := json.Unmarshal([]byte(visible(t, s)), &have); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("signed in (-want +got):\n%s", diff)
	}
}
