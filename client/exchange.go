package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

const (
	opRefresh = "refresh"
	opSignOut = "sign out"
	opSignIn  = "sign in"
	opFetch   = "fetch session"
	opSave    = "save session"
)

// maxAnswerBytes limits how much is read of an answer of the library's routes. Such an answer
// holds two tokens and a user of at most a few kilobytes.
const maxAnswerBytes = 64 << 10

// answer is the response of one of the library's routes.
type answer struct {
	sent       time.Time // when the request was sent; lifetimes count from then
	status     int
	body       []byte
	cookies    []*http.Cookie
	retryAfter time.Duration
}

// ask sends one request to a route of the library. bearer may be empty. If the server does not
// answer, or the answer cannot be read, the error is an *Error with session.CodeUnknown.
func (c *Client[U]) ask(ctx context.Context, op, method, route, bearer string, set cookieSet) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.origin.String()+c.cfg.BasePath+route, nil)
	if err != nil {
		return nil, unknown(op, err)
	}
	req.Header.Set("Accept", "application/json")
	// This header is not sent. It tells net/http that it may send the request again if a kept
	// connection turns out to be dead. That is safe: repeating a refresh or a sign-out has the
	// same result.
	req.Header["Idempotency-Key"] = nil
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if ago, ok := c.lastUse.seconds(time.Now()); ok && (op == opRefresh || op == opFetch) {
		req.Header.Set(wire.HeaderActive, ago)
	}
	c.names.put(req, set.Access, set.Refresh, set.Fingerprint)
	sent := time.Now()
	resp, err := c.routes.Do(req)
	if err != nil {
		return nil, unknown(op, err)
	}
	defer resp.Body.Close()
	a, err := readAnswer(resp, sent)
	if err != nil {
		return nil, &Error{Op: op, Code: session.CodeUnknown, Status: resp.StatusCode, Err: err}
	}
	return a, nil
}

func readAnswer(resp *http.Response, sent time.Time) (*answer, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxAnswerBytes {
		return nil, fmt.Errorf("answer of more than %d bytes", maxAnswerBytes)
	}
	return &answer{
		sent:       sent,
		status:     resp.StatusCode,
		body:       body,
		cookies:    resp.Cookies(),
		retryAfter: parseRetryAfter(resp.Header.Get("Retry-After"), time.Now()),
	}, nil
}

// parseRetryAfter returns the value of a Retry-After header (RFC 9110, section 10.2.3), or 0 if v
// is not one.
func parseRetryAfter(v string, now time.Time) time.Duration {
	if s, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}

// code returns the code of an error answer of the library.
func (a *answer) code() (session.Code, bool) {
	var body wire.ErrorBody
	if wire.Members(a.body, map[string]any{"message": &body.Message}) != nil {
		return "", false
	}
	return session.ParseCode(body.Message)
}
