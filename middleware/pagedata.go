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
	// render appends the component to b.
	render func(ctx context.Context, b []byte, p page, extra any) ([]byte, error)
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

// Render implements templ's Component. ctx is the request's context. It writes
// once. It fails, and writes nothing, where data given to With is not an object
// without a _lucia.
func (c Component) Render(ctx context.Context, w io.Writer) error {
	var h http.Header
	if answer, ok := w.(http.ResponseWriter); ok { // which is being written to here, so that no one else may
		h = answer.Header()
	}
	return c.rendered(ctx, h, func(b []byte) error {
		_, err := w.Write(b)
		return err
	})
}

// HTML returns what Render writes, for html/template, or an HTML comment that says
// that it fails.
func (c Component) HTML(ctx context.Context) (out template.HTML) {
	err := c.rendered(ctx, nil, func(b []byte) error {
		out = template.HTML(b)
		return nil
	})
	if err != nil {
		return "<!-- lucia: page data has to be a JSON object without _lucia -->"
	}
	return out
}

// rendered renders c and hands the result to use, which must not keep it. h is the
// answer's header; nil: not known.
func (c Component) rendered(ctx context.Context, h http.Header, use func([]byte) error) (err error) {
	if c.render == nil {
		return nil
	}
	p := pageOf(ctx)
	if p.isPublic(h) {
		p = everyone{}
	}
	pooled(func(b []byte) []byte {
		if b, err = c.render(ctx, b, p, c.extra); err == nil {
			err = use(b)
		}
		return b
	})
	return err
}

// pooled calls f with an empty buffer that is used again afterwards, as f returns
// it.
func pooled(f func([]byte) []byte) {
	buffer := buffers.Get().(*[]byte)
	if b := f((*buffer)[:0]); cap(b) <= maxPooled {
		*buffer = b
		buffers.Put(buffer)
	}
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled keeps one page with much data of the app's from staying in memory.
const maxPooled = 16 << 10

// FuncMap has the components for html/template. Of the request's context are lucia
// (the page data and script tag) and luciaField (the hidden form field), of the request
// is luciaReturn ([ReturnField]).
func FuncMap() template.FuncMap {
	return template.FuncMap{"lucia": PageData.HTML, "luciaField": FormField.HTML, "luciaReturn": returnFieldHTML}
}

// page is what components need of the request's state, without its type of user
// data.
type page interface {
	// appendSession appends what head makes of the session's info, and then the session as
	// pages are given it, or null. Both are of one moment.
	appendSession(b []byte, head func([]byte, page, pageInfo) []byte) ([]byte, pageInfo, error)
	scriptTag() string
	nonce(ctx context.Context) string
	appendFormValue(b []byte) []byte
	isPublic(h http.Header) bool
	unsafeMethod() string
}

// pageInfo is what stands beside the session in the page.
type pageInfo struct {
	signedIn  bool
	expiresIn int64
	id        session.ID
}

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

func (n nobody) appendSession(b []byte, head func([]byte, page, pageInfo) []byte) ([]byte, pageInfo, error) {
	return append(head(b, n, pageInfo{}), "null"...), pageInfo{}, nil
}
func (nobody) scriptTag() string               { return newScriptTag(wire.DefaultBasePath) }
func (nobody) nonce(context.Context) string    { return "" }
func (nobody) appendFormValue(b []byte) []byte { return b }
func (nobody) isPublic(http.Header) bool       { return false }
func (nobody) unsafeMethod() string            { return "" }

// everyone is the page in an answer that caches may give to everyone: without a script,
// which would ask whose session the browser has, and find that it is not the page's.
type everyone struct{ nobody }

func (everyone) scriptTag() string { return "" }

// unsafeMethod returns the request's method unless that is safe (RFC 9110, section
// 9.2.1). The browser module asks for no page again that says so.
func (s *state[U]) unsafeMethod() string {
	switch m := s.request.Method; m {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return m
	}
	return ""
}

// newScriptTag returns the script tag for a base path, up to where a nonce goes.
func newScriptTag(base string) string {
	return `<script type="module" src="` + html.EscapeString(base+wire.RouteAuto) + `?v=` + browser.Auto().Version + `"`
}

// scriptTag also begins to watch whether browsers reach the routes that the script needs.
func (s *state[U]) scriptTag() string {
	s.auth.watchRoutes(s.request)
	return s.auth.scriptTag
}

// nonce takes the context that is rendered with, not the state's: the nonce may
// have been put there later.
func (s *state[U]) nonce(ctx context.Context) string {
	if s.auth.config.Nonce == nil {
		return ""
	}
	return s.auth.config.Nonce(ctx)
}

// appendFormValue appends the value of the hidden field: the access token, or in hardened
// mode, where pages carry no token, the session's id.
func (s *state[U]) appendFormValue(b []byte) []byte {
	now := s.current.Load()
	switch {
	case !now.signedIn:
	case s.auth.config.Hardened:
		b, _ = now.session.ID.AppendText(b) // never fails
	default:
		b = appendEscaped(b, string(now.session.AccessToken))
	}
	return b
}

// appendSession appends the session with the refresh token of the request's cookie
// beside the access token, or in hardened mode with neither. Tokens of different
// sessions are never combined.
func (s *state[U]) appendSession(b []byte, head func([]byte, page, pageInfo) []byte) (_ []byte, info pageInfo, err error) {
	now := s.current.Load().who()
	if now != nil {
		info = pageInfo{true, seconds(now.ExpiresIn(time.Now())), now.ID}
	}
	b = head(b, s, info)
	switch {
	case now == nil:
		b = append(b, "null"...)
	case s.auth.config.Hardened:
		b, err = s.auth.manager.AppendUser(b, now)
	default:
		var set cookieSet
		s.auth.cookies.scanLine(s.cookies, &set)
		b, err = s.auth.manager.AppendSession(b, now, set.refresh.all())
	}
	return b, info, err
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

func renderPageData(ctx context.Context, b []byte, p page, extra any) ([]byte, error) {
	b, err := renderDataBlock(ctx, b, p, extra)
	if err != nil {
		return b, err
	}
	return renderScriptTag(ctx, b, p, nil)
}

// renderDataBlock renders the data block. In JSON <, > and & are escaped, so
// nothing in the data can end the element.
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
	return append(b, "}</script>"...), nil
}

// appendBlockHead appends what stands in the data block before the session.
func appendBlockHead(b []byte, p page, info pageInfo) []byte {
	b = append(b, `<script type="application/json" id="`+wire.PageDataID+`"`...)
	if info.signedIn {
		b = append(b, ` data-expires-in="`...)
		b = strconv.AppendInt(b, info.expiresIn, 10)
		b = append(b, `" data-session="`...)
		b, _ = info.id.AppendText(b)
		b = append(b, '"')
	}
	if method := p.unsafeMethod(); method != "" {
		b = append(b, ` data-method="`...)
		b = append(b, method...)
		b = append(b, '"')
	}
	return append(b, `>{"`+wire.FormField+`":`...)
}

// appendMembers appends the members of extra, which marshals to an object, after
// a member.
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
		return b, errors.New("middleware: page data has a member " + wire.FormField + " of its own")
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
	b = append(b, `<input type="hidden" name="`+wire.FormField+`" value="`...)
	b = p.appendFormValue(b)
	return append(b, `">`...), nil
}

// appendEscaped appends the value of an attribute. Tokens, of base64url letters,
// are what it is made for: looking for one character at a time is several times
// as fast as html.EscapeString.
func appendEscaped(b []byte, value string) []byte {
	for _, special := range []byte(`<>&'"`) {
		if strings.IndexByte(value, special) >= 0 {
			value = html.EscapeString(value)
			break
		}
	}
	return append(b, value...)
}
