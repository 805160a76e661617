package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lucia-go/lucia/internal/htmlform"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// SignIn signs in through the app's own login page, as a person with a browser
// would: it gets the page at path, fills the POST form that takes the given fields
// (hidden fields are sent along), posts it to its own action or, where
// the name and value of a button are among the fields, to that button's, follows
// redirects within the origin, and takes the session from the page data of where it
// arrives or, where that has none, from the session route. Where the page has no
// such form, the fields are posted to path as they are.
//
// The session so far, if any, is left: it is replaced on this side once the new
// one is there, and not ended on the server.
//
// The error is an [*Error]: session.CodeUnauthorized where the app did not sign
// anybody in (a wrong password), or what the server said. With [ErrNotSaved] the
// session is returned and good.
func (c *Client[U]) SignIn(ctx context.Context, path string, fields url.Values) (*session.Session[U], error) {
	visit := &visit{names: c.names, origin: c.origin, base: c.cfg.Transport}
	browser := &http.Client{
		Transport: visit,
		Jar:       c.appCookies(),
	}
	sent := time.Now()
	page, err := c.submit(ctx, browser, path, fields)
	switch {
	case visit.set.Fingerprint.Value != "":
		// Signed in, even if the page after that is broken or did not arrive.
	case err != nil:
		return nil, err
	default:
		return nil, &Error{Op: opSignIn, Code: session.CodeUnauthorized, Status: http.StatusOK, Err: visit.whyNobody()}
	}
	var s *session.Session[U]
	if err == nil {
		if s, err = pageSession[U](page, sent); err != nil {
			return nil, unknown(opSignIn, err)
		}
	}
	set := visit.set
	if s == nil {
		if s, set, err = c.fetchNew(ctx, set); err != nil {
			return nil, err
		}
	}
	return c.signedIn(ctx, s, set)
}

// submit gets the login page and submits its form.
func (c *Client[U]) submit(ctx context.Context, browser *http.Client, path string, fields url.Values) (*htmlform.Page, error) {
	target, err := c.origin.Parse(path)
	if err != nil {
		return nil, unknown(opSignIn, err)
	}
	login, at, err := visitPage(ctx, browser, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	filled := &htmlform.Form{Fields: fields}
	if form := login.Form(http.MethodPost, fields); form != nil {
		filled = form.Filled(fields)
		if pressed := form.Button(fields); pressed == nil || pressed.Method != http.MethodPost {
			// The first button may be for something else, and this is a password.
			filled.Action, filled.Enctype = form.Action, form.Enctype
		}
		if target, err = at.Parse(filled.Action); err != nil {
			return nil, unknown(opSignIn, err)
		}
	}
	page, _, err := visitPage(ctx, browser, http.MethodPost, target, filled)
	return page, err
}

// visitPage gets a page or, with a form, posts to it, and returns it and where it
// is.
func visitPage(ctx context.Context, browser *http.Client, method string, target *url.URL, form *htmlform.Form) (*htmlform.Page, *url.URL, error) {
	var (
		body        []byte
		contentType string
	)
	if form != nil {
		body, contentType = form.Body()
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, nil, unknown(opSignIn, err)
	}
	req.Header.Set("Accept", "text/html,*/*;q=0.8")
	if form != nil {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := browser.Do(req)
	if err != nil {
		return nil, nil, unknown(opSignIn, err)
	}
	defer resp.Body.Close()
	if method == http.MethodPost && resp.StatusCode >= http.StatusBadRequest {
		return nil, nil, signInError(resp)
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return new(htmlform.Page), resp.Request.URL, nil
	}
	page, err := htmlform.Read(resp.Body)
	if err != nil {
		return nil, nil, unknown(opSignIn, err)
	}
	return page, resp.Request.URL, nil
}

// signInError judges an app's answer: a page for people, most likely.
func signInError(resp *http.Response) error {
	a, err := readAnswer(resp, time.Time{})
	if err != nil {
		a = &answer{status: resp.StatusCode}
	}
	e := errorOf(opSignIn, a)
	if a.status == http.StatusUnauthorized {
		e.Code = session.CodeUnauthorized
	}
	return e
}

// fetchNew asks the session route for the session that set is of.
func (c *Client[U]) fetchNew(ctx context.Context, set cookieSet) (*session.Session[U], cookieSet, error) {
	a, err := c.ask(ctx, opSignIn, http.MethodGet, wire.RouteSession, "", set)
	if err != nil {
		return nil, set, err
	}
	if a.status != http.StatusOK {
		return nil, set, errorOf(opSignIn, a)
	}
	s, err := readSession[U](a)
	if err == nil && s == nil {
		err = errors.New("the app set cookies that are no session")
	}
	if err != nil {
		return nil, set, &Error{Op: opSignIn, Code: session.CodeUnknown, Status: a.status, Err: err}
	}
	return s, c.names.with(set, a.cookies), nil
}

// signedIn makes s the session, whatever was before, and saves it.
func (c *Client[U]) signedIn(ctx context.Context, s *session.Session[U], set cookieSet) (*session.Session[U], error) {
	h, lockErr := c.saved.lock(ctx)
	if lockErr == nil {
		defer h.unlock()
	}
	c.store.apply(func(*session.Session[U]) (*session.Session[U], bool) {
		c.jar.reset(set)
		return s, true
	})
	if lockErr != nil {
		c.saved.failed(s.ID)
		return s, unknown(opSignIn, notSaved(lockErr))
	}
	if err := c.save(ctx, h, s, set); err != nil {
		return s, unknown(opSignIn, err)
	}
	return s, nil
}

// visit is the transport of one sign-in. It keeps the library's cookies apart
// from those of the session so far, so that a page which still shows that
// session is not taken for a success.
type visit struct {
	names   cookieNames
	origin  *url.URL
	base    http.RoundTripper
	set     cookieSet
	dropped bool // Secure cookies came over http
}

var errOtherOrigin = errors.New("the login leads to another origin")

// RoundTrip implements [http.RoundTripper]. It keeps the password, and what comes
// of it, within the origin, wherever a form's action or a redirect leads. A
// visit's requests come one after the other.
func (v *visit) RoundTrip(req *http.Request) (*http.Response, error) {
	if !sameOrigin(v.origin, req.URL) {
		closeBody(req.Body)
		return nil, errOtherOrigin
	}
	out := req.Clone(req.Context())
	v.names.put(out, v.set.Access, v.set.Refresh, v.set.Fingerprint)
	resp, err := v.base.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	for _, line := range resp.Cookies() {
		v.dropped = v.dropped || line.Secure && !v.names.secure && v.names.ours(line.Name)
	}
	v.set = v.names.with(v.set, resp.Cookies())
	return resp, nil
}

func (v *visit) whyNobody() error {
	if v.dropped {
		return fmt.Errorf("the app sets Secure cookies but %s is not https", v.origin)
	}
	return errors.New("the app signed nobody in")
}

func closeBody(body io.Closer) {
	if body != nil {
		body.Close()
	}
}
