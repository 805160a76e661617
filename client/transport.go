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

// Transport is an http.RoundTripper that signs requests to the client's origin
// with the present session: it adds the access token as a bearer token and the
// access and fingerprint cookies. Requests to other origins, and requests that
// have an Authorization header already, pass through untouched. Without a
// session a request goes out unsigned.
//
// It renews the tokens shortly before they expire, and when the server answers
// 401 with the library's own challenge; the request is then sent once more, if
// its body can be sent again (there is none, or GetBody is set). Any number of
// requests at the same time share one refresh. Where a refresh fails and the
// access token has expired, RoundTrip returns the refresh's [*Error] and sends
// nothing: the program believes that it is signed in, so to go on as nobody
// would be wrong. It returns that error again, and asks nothing, until the time
// has passed that the server asked for with Retry-After, ten minutes at most. Where
// the 401 stands, it is returned as it came. Where new tokens could not be saved,
// the request goes on; saving is tried again with later requests.
//
// The refresh cookie is not sent along: it would allow the server to renew the
// session in any answer, out of turn with other runs of the program.
//
// Transport is safe for concurrent use.
type Transport[U any] struct {
	// Client has the session. Required.
	Client *Client[U]
	// Base carries the requests. Default: the client's Config.Transport.
	Base http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport[U]) RoundTrip(req *http.Request) (*http.Response, error) {
	c := t.Client
	if !sameOrigin(c.origin, req.URL) || req.Header.Get("Authorization") != "" {
		return t.base().RoundTrip(req)
	}
	s, err := c.freshEnough(req)
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

// send sends a copy of req with the given body and takes the answer's cookies. It
// returns the session that the copy was signed with, nil for none, which signed
// forbids.
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

// noteCookies takes the cookies of the app's answers: a sign-in or sign-out that
// the program made by a request of its own. The session in the store is another
// one's then, so it is dropped; [Client.FetchSession] gets the new one. An answer
// that was under way while the session changed comes too late. After a sign-out
// nothing is left of the session where it was saved.
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
	// Where this fails, the next run will learn from the server that it is over.
	if h, err := c.saved.lock(context.WithoutCancel(ctx)); err == nil {
		defer h.unlock()
		if c.isSaved(h, ended) {
			_ = h.remove(ctx)
		}
	}
}

// challenged reports whether the library refused the request. A 401 of the app's
// own making, or a proxy's, is not to be answered with a token.
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

// replay returns the request's body for another try, if it has one.
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

// maxDrainBytes is how much of an answer is read to keep its connection.
const maxDrainBytes = 64 << 10

func drain(body io.ReadCloser) {
	io.CopyN(io.Discard, body, maxDrainBytes)
	body.Close()
}

// freshEnough renews the session where its access token has expired or soon
// will. A token that still lives may be used even if that fails.
func (c *Client[U]) freshEnough(req *http.Request) (*session.Session[U], error) {
	s := c.store.Get()
	if s == nil {
		return nil, nil
	}
	now := time.Now()
	if due(s, transportLead, now) > 0 {
		if c.saved.retryIn(s.ID, now) <= 0 {
			_ = c.settle(req.Context(), s) // the request is none the worse
		}
		return s, nil
	}
	expired := left(s, now) <= 0
	if !expired && !c.restraint.allows(now) {
		return s, nil
	}
	if err := c.restraint.refuses(now); expired && err != nil {
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

// renewRefused renews the session after the server refused its access token,
// unless a refresh has only just made that one.
func (c *Client[U]) renewRefused(req *http.Request, refused *session.Session[U]) error {
	if c.restraint.cooling(time.Now()) && c.store.Get() == refused {
		return &Error{Op: opRefresh, Code: session.CodeUnauthorized}
	}
	if err := c.restraint.refuses(time.Now()); err != nil {
		return err
	}
	return c.renew(req.Context(), refused, true)
}
