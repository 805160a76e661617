package middleware

import (
	"bytes"
	"errors"
	"html"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lucia-go/lucia/internal/browser"
	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// route is one of the middleware's own routes.
type route struct {
	methods []string
	serve   func(http.ResponseWriter, *http.Request)
}

func (a *Auth[U]) newRoutes() map[string]route {
	posts, reads := []string{http.MethodPost}, []string{http.MethodGet, http.MethodHead}
	return map[string]route{
		wire.RouteRefresh: {posts, a.serveRefresh},
		wire.RouteLogout:  {posts, a.serveLogout},
		wire.RouteSession: {reads, a.serveSession},
		wire.RouteBound:   {append(posts, reads...), a.serveBound},
		wire.RouteClient:  {reads, serveClient()},
		wire.RouteAuto:    {reads, serveModule(browser.Auto())},
		wire.RouteJWKS:    {reads, a.serveJWKS},
		wire.RouteStepUp:  {reads, a.serveStepUp},
	}
}

// Routes returns the paths of the middleware's routes relative to the base path. It is for authors
// of framework adapters, who add them to the framework's routes.
func (a *Auth[U]) Routes() []string {
	return []string{
		wire.RouteRefresh, wire.RouteLogout, wire.RouteSession, wire.RouteBound, wire.RouteClient, wire.RouteAuto,
		wire.RouteJWKS, wire.RouteStepUp,
	}
}

// routeOf returns the route of a path. It ignores a slash at the end, since frameworks add one
// (echo's AddTrailingSlash).
func (a *Auth[U]) routeOf(path string) (route, bool) {
	name, ok := strings.CutPrefix(path, a.config.BasePath)
	if !ok {
		return route{}, false
	}
	found, ok := a.routes[strings.TrimSuffix(name, "/")]
	return found, ok
}

// RoutesHandler returns a handler for the middleware's routes, wherever they are mounted. It
// selects the route by the last element of the path and responds with 404 if there is none.
func (a *Auth[U]) RoutesHandler() http.Handler { return http.HandlerFunc(a.serveMounted) }

func (a *Auth[U]) serveMounted(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(r.URL.Path, "/")
	route, ok := a.routes["/"+path[strings.LastIndexByte(path, '/')+1:]]
	if !ok {
		http.NotFound(w, r)
		return
	}
	a.reach.seen.Store(true)
	a.serveRoute(w, r, route)
}

func (a *Auth[U]) serveRoute(w http.ResponseWriter, r *http.Request, route route) {
	if !slices.Contains(route.methods, r.Method) {
		w.Header().Set("Allow", strings.Join(route.methods, ", "))
		a.denyMethod(w, r)
		return
	}
	w.Header().Del("Allow") // a router may have set it for the app's own routes at this path
	route.serve(w, r)
}

// denyMethod responds to a method that the route does not have. A person who opens the sign-out
// route gets a page with a button for signing out.
func (a *Auth[U]) denyMethod(w http.ResponseWriter, r *http.Request) {
	d := newDenial(r, session.CodeInvalidRequestMethod)
	if d.Person && strings.HasSuffix(r.URL.Path, wire.RouteLogout) {
		d.Body = notice{"Sign out", "Do you want to sign out?", a.signOutButton()}.html(r, viewPage)
	}
	setPrivate(w.Header())
	d.Write(w)
}

func (a *Auth[U]) signOutButton() string {
	return `<form method="post" action="` + html.EscapeString(a.config.BasePath+wire.RouteLogout) + `"><button>Sign out</button></form>`
}

// serveRefresh serves POST refresh.
func (a *Auth[U]) serveRefresh(w http.ResponseWriter, r *http.Request) {
	setPrivate(w.Header())
	if a.crossOrigin(r) {
		Error(w, r, session.CodeInvalidRequest)
		return
	}
	fp, creds, err := a.presented(r)
	if err == nil && slices.ContainsFunc(creds, engine.RefreshCredential.Bound) {
		a.refreshBound(w, r, creds)
		return
	}
	var refreshed engine.Refreshed[U]
	if err == nil {
		begin := a.clock()
		refreshed, err = a.refreshSession(r, fp, creds)
		a.observe(r, outcomeOfRefresh(refreshed.Outcome, err), begin)
	}
	if errors.Is(err, session.CodeDatabaseFetchFailed) {
		Error(w, r, err)
		return
	}
	if err != nil {
		Error(w, r, session.CodeUnauthorized)
		return
	}
	a.setRefreshed(w.Header(), r, &refreshed)
	a.writeRefreshed(w, r, &refreshed)
}

// writeRefreshed writes the response of a refresh.
func (a *Auth[U]) writeRefreshed(w http.ResponseWriter, r *http.Request, refreshed *engine.Refreshed[U]) {
	pooled(func(b []byte) []byte {
		b, err := a.appendRefreshed(b, refreshed)
		if err != nil {
			Error(w, r, err)
			return b
		}
		writeBody(w, http.StatusOK, b)
		return b
	})
}

// appendRefreshed appends the response body of a refresh, a wire.Refreshed.
func (a *Auth[U]) appendRefreshed(b []byte, refreshed *engine.Refreshed[U]) (_ []byte, err error) {
	s := &refreshed.Session
	if b, err = a.engine.AppendRefreshed(b, refreshed, !a.config.Hardened); err != nil {
		return b, err
	}
	b = append(b[:len(b)-1], `,"expires_in":`...) // in place of the closing brace
	// A token with a lifetime of one second that was just issued has not expired yet.
	b = strconv.AppendInt(b, max(1, seconds(s.ExpiresIn(time.Now()))), 10)
	b = append(b, `,"session_id":"`...)
	b, _ = s.ID.AppendText(b) // never fails
	return append(b, `"}`...), nil
}

// presented returns the refresh tokens that a refresh request presents: the bearer token, and the
// cookie's token if it is of the same session. In hardened mode the cookie alone is sufficient.
func (a *Auth[U]) presented(r *http.Request) (engine.Fingerprint, []engine.RefreshCredential, error) {
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	token, given := bearer(r)
	if !given && !a.config.Hardened {
		return "", nil, session.CodeUnauthorized
	}
	sealed := a.credentials(&set)
	creds := make([]engine.RefreshCredential, 0, 1+len(sealed.list))
	if given {
		c, err := a.engine.ParseRefreshToken(session.RefreshToken(token))
		if err != nil {
			return "", nil, err
		}
		creds = append(creds, c)
	}
	for _, c := range sealed.list {
		if _, own := ownFingerprint(c, &set); own && (len(creds) == 0 || c.SessionID == creds[0].SessionID) {
			creds = append(creds, c)
		}
	}
	if len(creds) > 0 && slices.Contains(sealed.unknown, creds[0].SessionID) {
		// The cookie may be newer than the known token, whose use would then count as reuse.
		// Another process may have the key, so the client is asked to try again later.
		return "", nil, session.CodeDatabaseFetchFailed
	}
	for _, c := range creds {
		if fp, ok := ownFingerprint(c, &set); ok {
			return fp, creds, nil
		}
	}
	return "", nil, session.CodeUnauthorized
}

// serveSession serves GET session, for pages that the browser restores from its cache and for
// scripts in hardened mode.
func (a *Auth[U]) serveSession(w http.ResponseWriter, r *http.Request) {
	setPrivate(w.Header())
	if IsPage(r) { // a person has opened the address
		d := newDenial(r, session.CodeInvalidRequestMethod)
		d.Status = http.StatusNotAcceptable
		d.Write(w)
		return
	}
	if a.foreign(r) {
		Error(w, r, session.CodeInvalidRequest)
		return
	}
	var d decision[U]
	begin := a.clock()
	a.decide(&d, r)
	a.observe(r, d.outcome, begin)
	if d.outcome == OutcomeUnavailable {
		Error(w, r, session.CodeDatabaseFetchFailed)
		return
	}
	// OutcomeUnknownKey counts as signed out here. If a secret was replaced and not listed in
	// PreviousSecrets, a response to retry later would never end, and no page could offer to sign
	// in.
	s := a.newState(r, &d)
	if d.refreshed != nil {
		a.setRefreshed(w.Header(), r, d.refreshed)
	}
	body, err := appendSessionBody(nil, s)
	if err != nil {
		WriteError(w, err)
		return
	}
	writeBody(w, http.StatusOK, body)
}

// appendSessionBody appends {"_lucia":SESSION or null,"expires_in":N,"idle":N,"session_id":"…"}.
// The id is left out if there is no session, and idle also without IdleTimeout.
func appendSessionBody(b []byte, p page) ([]byte, error) {
	b, info, err := p.appendSession(b, func(b []byte, _ page, _ pageInfo) []byte {
		return append(b, `{"`+wire.FormField+`":`...)
	})
	if err != nil {
		return b, err
	}
	b = append(b, `,"expires_in":`...)
	b = strconv.AppendInt(b, info.expiresIn, 10)
	if info.idle > 0 {
		b = append(b, `,"idle":`...)
		b = strconv.AppendInt(b, info.idle, 10)
	}
	if info.signedIn {
		b = append(b, `,"session_id":"`...)
		b, _ = info.id.AppendText(b)
		b = append(b, '"')
	}
	return append(b, '}'), nil
}

// seconds returns d in whole seconds, rounded down, so that the client never expects a token to
// live longer than it does.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// serveClient serves the browser module under URLs with a version, and its entry without one.
func serveClient() func(http.ResponseWriter, *http.Request) {
	client, entry := serveModule(browser.Client()), serveModule(browser.Entry())
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("v") {
			client(w, r)
		} else {
			entry(w, r)
		}
	}
}

// serveModule serves a file of the browser module. Caches keep it for a year under its versioned
// URL and revalidate it by ETag otherwise.
func serveModule(m browser.Module) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("ETag", m.ETag)
		if r.URL.Query().Get("v") == m.Version {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		} else {
			h.Set("Cache-Control", "no-cache")
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(m.Body))
	}
}
