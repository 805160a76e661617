package middleware

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lucia-go/lucia/internal/browser"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// Component is a piece of a page that depends on the request. It has the method
// of templ's Component, so that {@middleware.PageData} works there; for
// html/template see [FuncMap] and HTML. It reads the request's state from the
// context, whatever the app's user data is, and writes nothing but what it renders: any
// goroutine may use it at any time.
//
// In an answer for everyone it is that of a signed-out visitor without the script, and a
// line in the log says so: for a request that Config.Public names, for an image or
// another part that a page loads by itself, and where Render is given the ResponseWriter
// and its Cache-Control is neither private nor no-store.
//
// The zero Component is empty.
type Component struct {
	render func(ctx context.Context, b *bytes.Buffer, p page, extra any) error
	extra  any
}

// Pieces of a page.
var (
	// PageData is the page data and the script tag: all that a page needs to
	// stay signed in.
	PageData = Component{render: renderPageData}
	// DataBlock is the page data alone, for apps that load the browser module
	// themselves. It is no script, so no content security policy forbids it.
	DataBlock = Component{render: renderDataBlock}
	// ScriptTag loads the module that keeps the page signed in.
	ScriptTag = Component{render: renderScriptTag}
	// FormField is the hidden field by which ValidateFormSubmission knows that a
	// form is of this session.
	FormField = Component{render: renderFormField}
)

// With returns a PageData or DataBlock with the members of data, which marshals to
// a JSON object, beside _lucia. Of the other components it changes nothing.
func (c Component) With(data any) Component {
	c.extra = data
	return c
}

// Render implements templ's Component. ctx is the request's context. It fails, and
// writes nothing, where data given to With is not an object without a _lucia.
func (c Component) Render(ctx context.Context, w io.Writer) error {
	var h http.Header
	if answer, ok := w.(http.ResponseWriter); ok { // which is being written to here, so that no one else may
		h = answer.Header()
	}
	b, err := c.bytes(ctx, h)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// HTML returns what Render writes, for html/template, or an HTML comment that says
// that it fails.
func (c Component) HTML(ctx context.Context) template.HTML {
	b, err := c.bytes(ctx, nil)
	if err != nil {
		return "<!-- lucia: page data has to be a JSON object without _lucia -->"
	}
	return template.HTML(b)
}

// bytes renders into memory. h is the answer's header; nil: not known.
func (c Component) bytes(ctx context.Context, h http.Header) ([]byte, error) {
	if c.render == nil {
		return nil, nil
	}
	p := pageOf(ctx)
	if p.isPublic(h) {
		p = everyone{}
	}
	var b bytes.Buffer
	err := c.render(ctx, &b, p, c.extra)
	return b.Bytes(), err
}

// FuncMap has the components for html/template. Of the request's context are lucia
// (the page data and script tag) and luciaField (the hidden form field), of the request
// is luciaReturn ([ReturnField]).
func FuncMap() template.FuncMap {
	return template.FuncMap{"lucia": PageData.HTML, "luciaField": FormField.HTML, "luciaReturn": returnFieldHTML}
}

// page is what components need of the request's state, without its type of user
// data.
type page interface {
	sessionJSON() (data []byte, info pageInfo, err error)
	config(ctx context.Context) pageConfig
	formToken() session.AccessToken
	isPublic(h http.Header) bool
	unsafeMethod() string
}

// pageInfo is what stands beside the session in the page.
type pageInfo struct {
	signedIn  bool
	expiresIn int64
	sessionID string
}

type pageConfig struct{ base, nonce string }

// pageOf returns the page of ctx; that of a signed-out visitor where the middleware has
// not run.
func pageOf(ctx context.Context) page {
	if p, ok := ctx.Value(stateKey{}).(page); ok {
		return p
	}
	if inner := ginRequestContext(ctx); inner != nil {
		if p, ok := inner.Value(stateKey{}).(page); ok {
			return p
		}
	}
	return nobody{}
}

type nobody struct{}

func (nobody) sessionJSON() ([]byte, pageInfo, error) { return []byte("null"), pageInfo{}, nil }
func (nobody) config(context.Context) pageConfig      { return pageConfig{base: wire.DefaultBasePath} }
func (nobody) formToken() session.AccessToken         { return "" }
func (nobody) isPublic(http.Header) bool              { return false }

// everyone is the page in an answer that caches may give to everyone: without a script,
// which would ask whose session the browser has, and find that it is not the page's.
type everyone struct{ nobody }

func (everyone) config(context.Context) pageConfig { return pageConfig{} }
func (nobody) unsafeMethod() string                { return "" }

// unsafeMethod returns the request's method unless that is safe (RFC 9110, section
// 9.2.1). The browser module asks for no page again that says so.
func (s *state[U]) unsafeMethod() string {
	switch m := s.request.Method; m {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return m
	}
	return ""
}

// config takes the context that is rendered with, not the state's: the nonce may
// have been put there later.
func (s *state[U]) config(ctx context.Context) pageConfig {
	c := pageConfig{base: s.auth.config.BasePath}
	s.auth.watchRoutes(s.request)
	if s.auth.config.Nonce != nil {
		c.nonce = s.auth.config.Nonce(ctx)
	}
	return c
}

func (s *state[U]) formToken() session.AccessToken {
	now := s.current.Load()
	if s.auth.config.Hardened || !now.signedIn {
		return ""
	}
	return now.session.AccessToken
}

func (s *state[U]) sessionJSON() ([]byte, pageInfo, error) {
	now := s.current.Load().who()
	if now == nil {
		return nobody{}.sessionJSON()
	}
	data, err := json.Marshal(s.pageSession(now))
	return data, pageInfo{true, seconds(now.ExpiresIn(time.Now())), now.ID.String()}, err
}

// isPublic reports whether the answer must not carry the session: where this library
// has not made it private, or its header says otherwise.
func (s *state[U]) isPublic(h http.Header) bool {
	now := s.current.Load()
	public := now.public || h != nil && !isPrivate(h) || now.signedIn && !now.private
	if public && now.signedIn {
		s.warn()
	}
	return public
}

// isPrivate reports whether a header keeps an answer out of shared caches.
func isPrivate(h http.Header) bool {
	said := strings.ToLower(strings.Join(h["Cache-Control"], ","))
	return strings.Contains(said, "private") || strings.Contains(said, "no-store")
}

// pageSession returns the session as pages are given it: with the refresh token
// of the cookie beside the access token, or in hardened mode with neither.
func (s *state[U]) pageSession(now *session.Session[U]) *session.Session[U] {
	out := *now
	switch {
	case s.auth.config.Hardened:
		out.AccessToken, out.RefreshToken = "", ""
	case out.RefreshToken == "":
		out.RefreshToken = s.auth.refreshToken(s, now.ID)
	}
	return &out
}

// refreshToken returns the refresh token that the request's cookie holds for the
// session of its access token, or none. Tokens of different sessions are never
// combined.
func (a *Auth[U]) refreshToken(s *state[U], id session.ID) session.RefreshToken {
	var set cookieSet
	a.cookies.scanLine(s.cookies, &set)
	creds := a.credentials(&set)
	for i, c := range creds.list {
		if _, own := ownFingerprint(c, &set); own && c.SessionID == id {
			return creds.tokens[i]
		}
	}
	return ""
}

func renderPageData(ctx context.Context, b *bytes.Buffer, p page, extra any) error {
	if err := renderDataBlock(ctx, b, p, extra); err != nil {
		return err
	}
	return renderScriptTag(ctx, b, p, nil)
}

// renderDataBlock writes the data block. encoding/json escapes <, > and &, so
// nothing in the data can end the element.
func renderDataBlock(_ context.Context, b *bytes.Buffer, p page, extra any) error {
	data, info, err := p.sessionJSON()
	if err != nil {
		return err
	}
	b.WriteString(`<script type="application/json" id="` + wire.PageDataID + `"`)
	if info.signedIn {
		b.WriteString(` data-expires-in="` + strconv.FormatInt(info.expiresIn, 10) + `" data-session="` + info.sessionID + `"`)
	}
	if method := p.unsafeMethod(); method != "" {
		b.WriteString(` data-method="` + method + `"`)
	}
	b.WriteString(`>{"` + wire.FormField + `":`)
	b.Write(data)
	if err := appendMembers(b, extra); err != nil {
		return err
	}
	b.WriteString("}</script>")
	return nil
}

// appendMembers writes the members of extra, which marshals to an object, after
// a member.
func appendMembers(b *bytes.Buffer, extra any) error {
	if extra == nil {
		return nil
	}
	data, err := json.Marshal(extra)
	if err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		return fmt.Errorf("middleware: page data marshals to %.20s, want a JSON object", data)
	}
	if _, taken := members[wire.FormField]; taken {
		return errors.New("middleware: page data has a member " + wire.FormField + " of its own")
	}
	if len(members) > 0 {
		b.WriteByte(',')
		b.Write(data[1 : len(data)-1])
	}
	return nil
}

func renderScriptTag(ctx context.Context, b *bytes.Buffer, p page, _ any) error {
	c := p.config(ctx)
	if c.base == "" {
		return nil
	}
	b.WriteString(`<script type="module" src="` + html.EscapeString(c.base+wire.RouteAuto) + `?v=` + browser.Auto().Version + `"`)
	if c.nonce != "" {
		b.WriteString(` nonce="` + html.EscapeString(c.nonce) + `"`)
	}
	b.WriteString("></script>")
	return nil
}

func renderFormField(_ context.Context, b *bytes.Buffer, p page, _ any) error {
	b.WriteString(`<input type="hidden" name="` + wire.FormField + `" value="` + html.EscapeString(string(p.formToken())) + `">`)
	return nil
}
