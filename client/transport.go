package client

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// Transport is an http.RoundTripper that authenticates requests to the client's origin with the
// current session. It adds the access token as a bearer token, and the access and fingerprint
// cookies. Requests to other origins and requests that already have an Authorization header pass
// through unchanged. Without a session, a request is sent unauthenticated.
//
// Transport renews the tokens shortly before they expire. It also renews them when the server
// answers 401 with the library's challenge, and then sends the request once more if its body can
// be sent again, which means that there is none or that GetBody is set. Concurrent requests share
// one refresh.
//
// If a refresh fails and the access token has expired, RoundTrip returns the [*Error] of the
// refresh and does not send the request, because the program expects to be signed in. If the
// server sent Retry-After, RoundTrip returns that error without a further refresh until the time
// has passed, for ten minutes at most. If a 401 remains, because the refresh fails or does not
// help, RoundTrip returns that answer unchanged. If new tokens could not be saved, the request
// proceeds, and saving is tried again with later requests.
//
// If the server has an IdleTimeout, each request counts as the activity of a person, unless
// Config.Unattended is set. The next refresh reports it.
//
// Transport does not send the refresh cookie. With it, the server could renew the session in any
// answer, without the lock that runs of the program share.
//
// Transport is safe for concurrent use.
type Transport[U any] struct {
	// Client holds the session. Required.
	Client *Client[U]
	// Base sends the requests. Default: the client's Config.Transport.
	Base http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport[U]) RoundTrip(req *http.Request) (*http.Response, error) {
	c := t.Client
	if !sameOrigin(c.origin, req.URL) || req.Header.Get("Authorization") != "" {
		return t.base().RoundTrip(req)
	}
	if !c.cfg.Unattended {
		c.lastUse.note()
	}
	s, err := c.freshSession(req)
	if err != nil {
		closeBody(req.Body)
		return nil, err
	}
	signed := s != nil
	resp, s, err := t.send(req, req.Body, signed)
	if err != nil || s == nil || !challenged(resp) {
		return resp, err
	}
	if c.renewRefused(req, s) != nil || c.store.Get() == nil {
		return resp, nil
	}
	body, ok := replay(req)
	if !ok {
		return resp, nil
	}
	drain(resp.Body)
	resp, _, err = t.send(req, body, signed)
	return resp, err
}

func (t *Transport[U]) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	return t.Client.cfg.Transport
}

// send sends a copy of req with the given body and keeps the cookies of the answer. It returns
// the session that the copy was authenticated with, or nil. signed says that the request must not
// be sent without a session.
func (t *Transport[U]) send(req *http.Request, body io.ReadCloser, signed bool) (*http.Response, *session.Session[U], error) {
	c := t.Client
	s, set := c.present()
	if s == nil && signed {
		closeBody(body)
		return nil, nil, errLeft()
	}
	out := req.Clone(req.Context())
	out.Body = body
	if s != nil && s.AccessToken != "" {
		out.Header.Set("Authorization", "Bearer "+string(s.AccessToken))
	}
	c.names.put(out, set.Access, set.Fingerprint)
	resp, err := t.base().RoundTrip(out)
	if err == nil {
		c.noteCookies(req.Context(), set, resp.Cookies())
	}
	return resp, s, err
}

// noteCookies keeps the cookies of the app's answers. They change when the program signs in or
// out by a request of its own. The session in the store is then outdated, so it is dropped, and
// [Client.FetchSession] gets the new one. The cookies of an answer are ignored if the session
// changed while the request was in progress. After a sign-out the saved session is removed, too.
func (c *Client[U]) noteCookies(ctx context.Context, before cookieSet, lines []*http.Cookie) {
	if c.names.with(before, lines) == before {
		return
	}
	var ended *session.Session[U]
	c.store.apply(func(now *session.Session[U]) (*session.Session[U], bool) {
		set := c.names.with(c.jar.get(), lines)
		ok := c.jar.replace(before, set)
		if ok && set.Fingerprint.Value == "" {
			ended = now
		}
		return nil, ok && set.Fingerprint.Value != before.Fingerprint.Value
	})
	if ended == nil {
		return
	}
	// If this fails, the next run learns from the server that the session has ended.
	if h, err := c.saved.lock(context.WithoutCancel(ctx)); err == nil {
		defer h.unlock()
		if c.isSaved(h, ended) {
			_ = h.remove(ctx)
		}
	}
}

// challenged reports whether the library refused the request. A 401 that the app or a proxy sends
// for its own reasons is not answered with a token.
func challenged(resp *http.Response) bool {
	if resp.StatusCode != http.StatusUnauthorized {
		return false
	}
	for _, v := range resp.Header.Values("WWW-Authenticate") {
		if rest, ok := strings.CutPrefix(v, wire.ChallengeMissing); ok && (rest == "" || rest[0] == ',') {
			return true
		}
	}
	return false
}

// replay returns the request's body for a second attempt, and whether that is possible.
func replay(req *http.Request) (io.ReadCloser, bool) {
	if req.Body == nil || req.Body == http.NoBody {
		return req.Body, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	return body, err == nil
}

// maxDrainBytes is how much of an answer is read so that its connection can be reused.
const maxDrainBytes = 64 << 10

func drain(body io.ReadCloser) {
	io.CopyN(io.Discard, body, maxDrainBytes)
	body.Close()
}

// freshSession renews the session if its access token has expired or will do so soon. It returns a
// session whose token is still valid even if the refresh fails.
func (c *Client[U]) freshSession(req *http.Request) (*session.Session[U], error) {
	s := c.store.Get()
	if s == nil {
		return nil, nil
	}
	now := time.Now()
	if due(s, transportLead, now) > 0 {
		if c.saved.retryIn(s.ID, now) <= 0 {
			_ = c.retrySave(req.Context(), s) // a failure does not affect the request
		}
		return s, nil
	}
	expired := left(s, now) <= 0
	if !expired && !c.limiter.allows(now) {
		return s, nil
	}
	if err := c.limiter.refuses(now); expired && err != nil {
		return nil, err
	}
	err := c.renew(req.Context(), s, false)
	if now := c.store.Get(); now != nil && left(now, time.Now()) > 0 && !isGone(err) {
		return now, nil
	}
	if err == nil {
		err = errLeft()
	}
	return nil, err
}

// renewRefused renews the session after the server refused its access token, unless that token is
// the new one of a recent refresh.
func (c *Client[U]) renewRefused(req *http.Request, refused *session.Session[U]) error {
	if c.limiter.cooling(time.Now()) && c.store.Get() == refused {
		return &Error{Op: opRefresh, Code: session.CodeUnauthorized}
	}
	if err := c.limiter.refuses(time.Now()); err != nil {
		return err
	}
	return c.renew(req.Context(), refused, true)
}
