package middleware

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"slices"
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
		wire.RouteClient:  {reads, serveModule(browser.Client())},
		wire.RouteAuto:    {reads, serveModule(browser.Auto())},
	}
}

// Routes returns the paths of the middleware's routes below the base path, for
// those who mount them in a framework's own table.
func (a *Auth[U]) Routes() []string {
	return []string{wire.RouteRefresh, wire.RouteLogout, wire.RouteSession, wire.RouteClient, wire.RouteAuto}
}

// routeOf finds the route of a path.
func (a *Auth[U]) routeOf(path string) (route, bool) {
	name, ok := strings.CutPrefix(path, a.config.BasePath)
	if !ok {
		return route{}, false
	}
	found, ok := a.routes[name]
	return found, ok
}

// ServeHTTP answers the middleware's routes wherever they are mounted: the last
// element of the path says which it is. What is none of them is a 404.
func (a *Auth[U]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	last := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	route, ok := a.routes["/"+last]
	if !ok {
		http.NotFound(w, r)
		return
	}
	a.serveRoute(w, r, route)
}

func (a *Auth[U]) serveRoute(w http.ResponseWriter, r *http.Request, route route) {
	if !slices.Contains(route.methods, r.Method) {
		w.Header().Set("Allow", strings.Join(route.methods, ", "))
		WriteError(w, session.CodeInvalidRequestMethod)
		return
	}
	w.Header().Del("Allow") // a router may have set it for the app's routes at this path
	route.serve(w, r)
}

// serveRefresh answers POST refresh.
func (a *Auth[U]) serveRefresh(w http.ResponseWriter, r *http.Request) {
	setPrivate(w.Header())
	if a.crossOrigin(r) {
		WriteError(w, session.CodeInvalidRequest)
		return
	}
	fp, creds, err := a.presented(r)
	var refreshed engine.Refreshed[U]
	if err == nil {
		refreshed, err = a.manager.Refresh(r.Context(), fp, creds...)
	}
	if errors.Is(err, session.CodeDatabaseFetchFailed) {
		WriteError(w, err)
		return
	}
	if err != nil {
		a.refuse(w, r, session.CodeUnauthorized)
		return
	}
	a.setRefreshed(w.Header(), &refreshed)
	// A token of one second, made a moment ago, has not expired yet.
	body := wire.Refreshed{ExpiresIn: max(1, seconds(refreshed.Session.ExpiresIn(time.Now())))}
	if !a.config.Hardened {
		body.AccessToken = string(refreshed.Session.AccessToken)
		body.RefreshToken = string(refreshed.Session.RefreshToken)
	}
	writeJSON(w, http.StatusOK, body)
}

// presented returns the refresh tokens that a request for refresh presents: the
// bearer's, and with it the cookie's if it is of the same session; in hardened
// mode the cookie's alone will do.
func (a *Auth[U]) presented(r *http.Request) (session.Fingerprint, []engine.RefreshCredential, error) {
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	token, given := bearer(r)
	if !given && !a.config.Hardened {
		return "", nil, session.CodeUnauthorized
	}
	var creds []engine.RefreshCredential
	sealed := a.credentials(&set)
	switch i := slices.Index(sealed.tokens, session.RefreshToken(token)); {
	case given && i >= 0: // as a rule: one token, twice; sealed it proves more
		creds = append(creds, sealed.list[i])
		sealed.list = slices.Delete(sealed.list, i, i+1)
	case given:
		c, err := a.manager.ParseRefreshToken(session.RefreshToken(token))
		if err != nil {
			return "", nil, err
		}
		creds = append(creds, c)
	}
	if given && sealed.unknownKey {
		// The cookie may be newer than the bearer token, which alone would look
		// stolen. Another process may know the key: later, then.
		return "", nil, session.CodeDatabaseFetchFailed
	}
	for _, c := range sealed.list {
		if len(creds) == 0 || c.SessionID == creds[0].SessionID {
			creds = append(creds, c)
		}
	}
	for _, c := range creds {
		if fp, ok := ownFingerprint(c, &set); ok {
			return fp, creds, nil
		}
	}
	return "", nil, session.CodeUnauthorized
}

// refuse answers 401 with the challenge by which clients know that the answer is
// this library's.
func (a *Auth[U]) refuse(w http.ResponseWriter, r *http.Request, code session.Code) {
	w.Header().Set("WWW-Authenticate", challengeOf(r))
	WriteError(w, code)
}

func challengeOf(r *http.Request) string {
	_, presented := bearer(r)
	return challenge(presented)
}

// maxFormBytes bounds the body of a logout form.
const maxFormBytes = 64 << 10

// serveLogout answers POST logout: by bearer token for scripts, by hidden field
// for forms, in hardened mode by cookie.
func (a *Auth[U]) serveLogout(w http.ResponseWriter, r *http.Request) {
	setPrivate(w.Header())
	if a.crossOrigin(r) {
		WriteError(w, session.CodeInvalidRequest)
		return
	}
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	token, given := bearer(r)
	form := !given && isForm(r)
	if form {
		r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
		if err := parseForm(r); err != nil {
			WriteError(w, session.CodeNotAuthenticated)
			return
		}
		token = r.PostFormValue(wire.FormField)
		given = token != ""
	}
	userID, id, err := a.loggingOut(token, given, &set)
	if err != nil {
		a.refuse(w, r, session.CodeNotAuthenticated)
		return
	}
	if err := a.end(w, r, userID, id); err != nil {
		WriteError(w, err)
		return
	}
	if !form {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Location", localOr(r.PostFormValue(wire.RedirectField), "/"))
	w.WriteHeader(http.StatusSeeOther)
}

// loggingOut says whose session is to end: that of the access token, or in
// hardened mode, where there is none, that of the cookies.
func (a *Auth[U]) loggingOut(token string, given bool, set *cookieSet) (string, session.ID, error) {
	if given {
		s, err := a.verifyEnded(session.AccessToken(token), set)
		return s.User.ID, s.ID, err
	}
	if a.config.Hardened {
		return a.identify(set)
	}
	return "", session.ID{}, session.CodeNotAuthenticated
}

// isForm reports whether the request is a form post.
func isForm(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(header(r, "Content-Type"))
	return err == nil && (media == "application/x-www-form-urlencoded" || media == "multipart/form-data")
}

// parseForm parses the body of a form post of either kind.
func parseForm(r *http.Request) error {
	if err := r.ParseForm(); err != nil { // which ParseMultipartForm would keep to itself
		return err
	}
	if err := r.ParseMultipartForm(maxFormMemory); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return err
	}
	return nil
}

// maxFormMemory is how much of a multipart form is kept in memory, as in
// net/http.
const maxFormMemory = 32 << 20

func localOr(path, fallback string) string {
	if isLocalPath(path) {
		return path
	}
	return fallback
}

// serveSession answers GET session, for pages that come back from the browser's
// cache and for scripts in hardened mode.
func (a *Auth[U]) serveSession(w http.ResponseWriter, r *http.Request) {
	setPrivate(w.Header())
	if a.foreign(r) {
		WriteError(w, session.CodeInvalidRequest)
		return
	}
	var d decision[U]
	a.decide(&d, r)
	if d.outcome == OutcomeUnavailable {
		WriteError(w, session.CodeDatabaseFetchFailed)
		return
	}
	// UnknownKey is nobody here: where a secret was replaced for good, "later" would
	// last for ever, and no page could offer to sign in.
	s := a.newState(w, r, &d)
	if d.refreshed != nil {
		a.setRefreshed(w.Header(), d.refreshed)
	}
	body := struct {
		Session   *session.Session[U] `json:"_lucia"`
		ExpiresIn int64               `json:"expires_in"`
		SessionID string              `json:"session_id,omitempty"`
	}{}
	if d.signedIn {
		body.Session = s.pageSession()
		body.ExpiresIn = seconds(d.session.ExpiresIn(time.Now()))
		body.SessionID = d.session.ID.String()
	}
	writeJSON(w, http.StatusOK, body)
}

// seconds returns d in whole seconds, rounded down: a token is not promised to
// live longer than it does.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// serveModule serves a file of the browser module: for good under its versioned
// URL, revalidated by ETag otherwise.
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
