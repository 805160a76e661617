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

// SignIn signs in through the app's own login page, as a browser does. It gets the page at path,
// fills the POST form that has the given fields, and submits it, including hidden fields. The
// form goes to its own action, or to that of a button if the button's name and value are among
// the fields. If the page has no such form, SignIn posts the fields to path as they are. It
// follows redirects within the origin, and takes the session from the page data of the last page
// or, if that has none, from the session route. A login that takes JSON is a request through
// [Client.HTTPClient], and [Client.FetchSession] after it.
//
// The new session replaces the current one in this client. The replaced session is not ended on
// the server.
//
// The error is an [*Error]. Its code is session.CodeUnauthorized if the app did not sign the user
// in, for instance because of a wrong password, and otherwise the code that the server sent.
// [Client.SaveErr] reports whether the session was saved.
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
		// The program is signed in, even if the next page is broken or did not arrive.
	case err != nil:
		return nil, err
	default:
		return nil, &Error{Op: opSignIn, Code: session.CodeUnauthorized, Status: http.StatusOK, Err: visit.whyNoSession()}
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
	c.replaceSession(ctx, s, set)
	return s, nil
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
			// The first button may have another purpose, and this form carries a password.
			filled.Action, filled.Enctype = form.Action, form.Enctype
		}
		if target, err = at.Parse(filled.Action); err != nil {
			return nil, unknown(opSignIn, err)
		}
	}
	page, _, err := visitPage(ctx, browser, http.MethodPost, target, filled)
	return page, err
}

// visitPage gets a page, or posts to it if form is not nil. It returns the page and its address
// after redirects.
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

// signInError returns the error of an app's answer, which usually is an HTML page.
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

// fetchNew asks the session route for the session of the cookies in set.
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
		err = errors.New("the app set cookies, but the server has no session for them")
	}
	if err != nil {
		return nil, set, &Error{Op: opSignIn, Code: session.CodeUnknown, Status: a.status, Err: err}
	}
	return s, c.names.with(set, a.cookies), nil
}

// replaceSession replaces the session by s and saves it.
func (c *Client[U]) replaceSession(ctx context.Context, s *session.Session[U], set cookieSet) {
	h, lockErr := c.saved.lock(ctx)
	if lockErr == nil {
		defer h.unlock()
	}
	c.store.apply(func(*session.Session[U]) (*session.Session[U], bool) {
		c.jar.reset(set)
		return s, true
	})
	if lockErr != nil {
		c.saved.failed(s.ID, notSaved(lockErr))
		return
	}
	_ = c.save(ctx, h, s, set) // SaveErr reports the error
}

// visit is the transport of one sign-in. It keeps the library's cookies apart from those of the
// current session, so that a page that still shows the current session does not count as a
// success.
type visit struct {
	names   cookieNames
	origin  *url.URL
	base    http.RoundTripper
	set     cookieSet
	dropped bool // the app set Secure cookies over http
}

var errOtherOrigin = errors.New("the login form or a redirect leads to another origin")

// RoundTrip implements [http.RoundTripper]. It refuses requests to other origins, so that neither
// the password nor the new session leaves the origin, whatever the form's action or a redirect
// says. The requests of a visit do not overlap.
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

func (v *visit) whyNoSession() error {
	if v.dropped {
		return fmt.Errorf("the app sets Secure cookies but %s is not https", v.origin)
	}
	return errors.New("the app did not sign the user in")
}

func closeBody(body io.Closer) {
	if body != nil {
		body.Close()
	}
}
