package middleware

import (
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
	"sync"
	"time"

	"github.com/lucia-go/lucia/internal/browser"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// Component is a part of a page that depends on the request. It implements templ's Component, so
// that {@middleware.PageData} works there. For html/template see [FuncMap] and HTML. It reads the
// request's state from the context, whatever the app's type of user data is. It writes nothing but
// its output, so any goroutine may use it at any time.
//
// With a context that does not come from the middleware, such as context.Background(), it renders
// as for a signed-out visitor. PageData, DataBlock and FormField then add an HTML comment that says
// so. Nothing is logged, because pages that Config.Skip names, error pages outside of the
// middleware and pages that an app renders in advance are rendered in the same way.
//
// In a response that caches may share, it renders as for a signed-out visitor, without the script,
// and logs a warning. That applies to a request that Config.Public names, to an image or another
// part that a page loads by itself, and if Render gets a ResponseWriter whose Cache-Control is
// neither private nor no-store. Other writers and HTML do not show the header: if the handler makes
// such a response public, the page has the session, and an error is logged once for the Auth.
//
// The zero Component renders nothing.
type Component struct {
	// render appends the component to b.
	render func(ctx context.Context, b []byte, p page, extra any) ([]byte, error)
	// kept, if set, returns what render appends if the page has kept it, and "" otherwise.
	kept  func(p page) string
	extra any
}

// Parts of a page.
var (
	// PageData renders the page data and the script tag, which is all that a page needs to stay
	// signed in.
	PageData = Component{render: renderPageData}
	// DataBlock renders only the page data, for apps that load the browser module themselves. It is
	// not a script, so no content security policy forbids it.
	DataBlock = Component{render: renderDataBlock}
	// ScriptTag renders the script tag of the module that keeps the page signed in.
	ScriptTag = Component{render: renderScriptTag}
	// FormField renders the hidden field by which ValidateFormSubmission recognizes a form of the
	// session.
	FormField = Component{render: renderFormField, kept: page.keptFormField}
)

// With returns a copy of a PageData or DataBlock that adds the members of data next to _lucia.
// data must marshal to a JSON object. With has no effect on other components.
func (c Component) With(data any) Component {
	c.extra = data
	return c
}

// Render implements templ's Component. ctx is the request's context. It makes one call of
// w.Write. It returns an error and writes nothing if the data given to With does not marshal to
// a JSON object, or has a member _lucia.
func (c Component) Render(ctx context.Context, w io.Writer) error {
	var h http.Header
	// Render writes to it, so no other goroutine may use it.
	if answer, ok := w.(http.ResponseWriter); ok {
		h = answer.Header()
	}
	return c.rendered(ctx, h, func(b []byte) error {
		_, err := w.Write(b)
		return err
	})
}

// HTML returns what Render writes, for html/template. If Render fails, HTML returns an HTML
// comment with the reason.
func (c Component) HTML(ctx context.Context) (out template.HTML) {
	if c.kept != nil {
		if text := c.kept(pageFor(ctx, nil)); text != "" {
			return template.HTML(text)
		}
	}
	err := c.rendered(ctx, nil, func(b []byte) error {
		out = template.HTML(b)
		return nil
	})
	if err != nil {
		return "<!-- lucia: page data must be a JSON object without a member _lucia -->"
	}
	return out
}

// rendered renders c and passes the result to use, which must not keep it. h is the response
// header, or nil if it is unknown.
func (c Component) rendered(ctx context.Context, h http.Header, use func([]byte) error) (err error) {
	if c.render == nil {
		return nil
	}
	p := pageFor(ctx, h)
	pooled(func(b []byte) []byte {
		if b, err = c.render(ctx, b, p, c.extra); err == nil {
			err = use(b)
		}
		return b
	})
	return err
}

// pageFor returns what a response shows of the page of ctx. h is as in rendered.
func pageFor(ctx context.Context, h http.Header) page {
	p := pageOf(ctx)
	if p.isPublic(h) {
		return publicPage{}
	}
	return p
}

// pooled calls f with an empty buffer and keeps the buffer that f returns for later calls.
func pooled(f func([]byte) []byte) {
	buffer := buffers.Get().(*[]byte)
	if b := f((*buffer)[:0]); cap(b) <= maxPooled {
		*buffer = b
		buffers.Put(buffer)
	}
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled is the largest buffer that is kept, so that the data of a large page does not stay in
// memory.
const maxPooled = 16 << 10

// FuncMap returns the components for html/template. The functions lucia (the page data and script
// tag) and luciaField (the hidden form field) take the request's context; luciaReturn
// ([ReturnField]) takes the request.
func FuncMap() template.FuncMap {
	return template.FuncMap{"lucia": PageData.HTML, "luciaField": FormField.HTML, "luciaReturn": returnFieldHTML}
}

// page is the part of the request's state that components need, without the type of the user
// data.
type page interface {
	// appendSession appends the output of head for the session's info, and then the session in
	// the form for pages, or null. Both describe the same moment.
	appendSession(b []byte, head func([]byte, page, pageInfo) []byte) ([]byte, pageInfo, error)
	scriptTag() string
	nonce(ctx context.Context) string
	appendFormValue(b []byte) []byte
	keptFormField() string // the whole hidden field if it is kept, or ""
	isPublic(h http.Header) bool
	unsafeMethod() string
	note() string // an HTML comment, or ""
}

// pageInfo describes the session in the attributes of the page data.
type pageInfo struct {
	signedIn  bool
	expiresIn int64
	idle      int64 // IdleTimeout in seconds, or 0
	id        session.ID
}

// pageOf returns the page of ctx. It returns a statelessPage if ctx does not come from the
// middleware.
func pageOf(ctx context.Context) page {
	if p, ok := ctx.Value(stateKey{}).(page); ok {
		return p
	}
	if inner := ginRequestContext(ctx); inner != nil {
		if p, ok := inner.Value(stateKey{}).(page); ok {
			return p
		}
	}
	return statelessPage{}
}

// signedOutPage is the page of a signed-out visitor.
type signedOutPage struct{}

func (n signedOutPage) appendSession(b []byte, head func([]byte, page, pageInfo) []byte) ([]byte, pageInfo, error) {
	return append(head(b, n, pageInfo{}), "null"...), pageInfo{}, nil
}
func (signedOutPage) scriptTag() string               { return newScriptTag(wire.DefaultBasePath) }
func (signedOutPage) nonce(context.Context) string    { return "" }
func (signedOutPage) appendFormValue(b []byte) []byte { return b }
func (signedOutPage) keptFormField() string           { return "" }
func (signedOutPage) isPublic(http.Header) bool       { return false }
func (signedOutPage) unsafeMethod() string            { return "" }
func (signedOutPage) note() string                    { return "" }

// statelessPage is a page whose context does not come from the middleware.
type statelessPage struct{ signedOutPage }

func (statelessPage) note() string {
	return "<!-- lucia: shown as to a signed-out visitor, because the context does not come from the middleware: " +
		"put it around the app and render pages with the request's context; Config.Skip has the same effect -->"
}

// publicPage is the page of a response that caches may share. It has no script, because the
// script would compare the browser's session with the page's and find a difference.
type publicPage struct{ signedOutPage }

func (publicPage) scriptTag() string { return "" }

// unsafeMethod returns the request's method if it is unsafe (RFC 9110, section 9.2.1), and ""
// otherwise. The browser module does not reload a page that carries an unsafe method.
func (s *state[U]) unsafeMethod() string {
	switch m := s.request.Method; m {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return m
	}
	return ""
}

func (s *state[U]) note() string { return "" }

// newScriptTag returns the script tag for a base path, up to the position of a nonce.
func newScriptTag(base string) string {
	return `<script type="module" src="` + html.EscapeString(base+wire.RouteAuto) + `?v=` + browser.Auto().Version + `"`
}

// scriptTag also starts the check whether browsers reach the routes that the script needs.
func (s *state[U]) scriptTag() string {
	s.auth.watchRoutes()
	return s.auth.scriptTag
}

// nonce uses the context of the rendering instead of the state's, because the nonce may have been
// added to the context later.
func (s *state[U]) nonce(ctx context.Context) string {
	if s.auth.config.Nonce == nil {
		return ""
	}
	return s.auth.config.Nonce(ctx)
}

// The hidden field around its value.
const (
	formFieldStart = `<input type="hidden" name="` + wire.FormField + `" value="`
	formFieldEnd   = `">`
)

// appendFormValue appends the value of the hidden field: the access token, or in hardened
// mode, where pages carry no token, the session's id.
func (s *state[U]) appendFormValue(b []byte) []byte {
	now := s.current.Load()
	if now.signedIn {
		s.rendered.Store(true)
	}
	switch {
	case !now.signedIn:
	case s.auth.config.Hardened:
		b, _ = now.session.ID.AppendText(b) // never fails
	default:
		b = append(b, html.EscapeString(string(now.session.AccessToken))...)
	}
	return b
}

// keptFormField returns the field that the engine keeps with a cached access token.
func (s *state[U]) keptFormField() string {
	now := s.current.Load()
	if !now.signedIn || s.auth.config.Hardened {
		return ""
	}
	s.rendered.Store(true)
	return s.accepted.FormField(now.session.AccessToken)
}

// appendSession appends the session with its access token and the refresh token of the request's
// cookie, or without tokens in hardened mode. It never combines tokens of different sessions.
func (s *state[U]) appendSession(b []byte, head func([]byte, page, pageInfo) []byte) (_ []byte, info pageInfo, err error) {
	now := s.current.Load().sessionOrNil()
	if now != nil {
		s.rendered.Store(true)
		info = pageInfo{true, seconds(now.ExpiresIn(time.Now())), seconds(s.auth.config.IdleTimeout), now.ID}
	}
	b = head(b, s, info)
	switch {
	case now == nil:
		b = append(b, "null"...)
	case s.auth.config.Hardened:
		b, err = s.auth.engine.AppendUser(b, now)
	default:
		var several cookieSet
		cookies := []string{s.cookies}
		if !s.oneCookie {
			s.auth.cookies.scanLine(s.cookies, &several)
			cookies = several.refresh.all()
		}
		b, err = s.auth.engine.AppendSession(b, now, s.accepted, cookies)
	}
	return b, info, err
}

// isPublic reports whether the response must not carry the session: if this library has not made
// it private, or if its header allows shared caches.
func (s *state[U]) isPublic(h http.Header) bool {
	now := s.current.Load()
	public := now.public || h != nil && !isPrivate(h) || now.signedIn && !now.private
	if public && now.signedIn {
		s.warn()
	}
	return public
}

// isPrivate reports whether a header keeps a response out of shared caches.
func isPrivate(h http.Header) bool {
	if set := h["Cache-Control"]; len(set) == 1 && set[0] == noStore {
		return true // as this package sets it
	}
	directives := strings.ToLower(strings.Join(h["Cache-Control"], ","))
	return strings.Contains(directives, "private") || strings.Contains(directives, "no-store")
}

func renderPageData(ctx context.Context, b []byte, p page, extra any) ([]byte, error) {
	b, err := renderDataBlock(ctx, b, p, extra)
	if err != nil {
		return b, err
	}
	return renderScriptTag(ctx, b, p, nil)
}

// renderDataBlock renders the data block. The JSON form escapes <, > and &, so the data cannot
// end the element.
func renderDataBlock(_ context.Context, b []byte, p page, extra any) ([]byte, error) {
	b, _, err := p.appendSession(b, appendBlockHead)
	if err != nil {
		return b, err
	}
	if extra != nil {
		if b, err = appendMembers(b, extra); err != nil {
			return b, err
		}
	}
	b = append(b, "}</script>"...)
	return append(b, p.note()...), nil
}

// appendBlockHead appends the part of the data block before the session.
func appendBlockHead(b []byte, p page, info pageInfo) []byte {
	b = append(b, `<script type="application/json" id="`+wire.PageDataID+`"`...)
	if info.signedIn {
		b = append(b, ` data-expires-in="`...)
		b = strconv.AppendInt(b, info.expiresIn, 10)
		b = append(b, `" data-session="`...)
		b, _ = info.id.AppendText(b)
		b = append(b, '"')
	}
	if info.idle > 0 {
		b = append(b, ` data-idle="`...)
		b = strconv.AppendInt(b, info.idle, 10)
		b = append(b, '"')
	}
	if method := p.unsafeMethod(); method != "" {
		b = append(b, ` data-method="`...)
		b = append(b, method...)
		b = append(b, '"')
	}
	return append(b, `>{"`+wire.FormField+`":`...)
}

// appendMembers appends the members of extra, which must marshal to an object, after another
// member.
func appendMembers(b []byte, extra any) ([]byte, error) {
	data, err := json.Marshal(extra)
	if err != nil {
		return b, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		return b, fmt.Errorf("middleware: page data marshals to %.20s, want a JSON object", data)
	}
	if _, taken := members[wire.FormField]; taken {
		return b, errors.New("middleware: page data has its own member " + wire.FormField)
	}
	if len(members) > 0 {
		b = append(b, ',')
		b = append(b, data[1:len(data)-1]...)
	}
	return b, nil
}

func renderScriptTag(ctx context.Context, b []byte, p page, _ any) ([]byte, error) {
	tag := p.scriptTag()
	if tag == "" {
		return b, nil
	}
	b = append(b, tag...)
	if nonce := p.nonce(ctx); nonce != "" {
		b = append(b, ` nonce="`...)
		b = append(b, html.EscapeString(nonce)...)
		b = append(b, '"')
	}
	return append(b, "></script>"...), nil
}

func renderFormField(_ context.Context, b []byte, p page, _ any) ([]byte, error) {
	if field := p.keptFormField(); field != "" {
		return append(b, field...), nil
	}
	b = append(b, formFieldStart...)
	b = p.appendFormValue(b)
	b = append(b, formFieldEnd...)
	return append(b, p.note()...), nil
}
