package middleware

import (
	"fmt"
	"net/http"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// ValidateRequest returns the session that a request proves with a bearer access token and the
// fingerprint cookie (lucia-sveltekit's validateRequest). It is for endpoints that scripts call.
// A page of another origin cannot forge such a request, whatever its method, but it may have the
// token if the app's CORS policy lets it read pages. The origin is therefore checked as for
// unsafe methods. Errors carry session.CodeInvalidRequest for a request from an origin that is
// neither the app's own nor in TrustedOrigins, and otherwise session.CodeInvalidAccessToken.
func (a *Auth[U]) ValidateRequest(r *http.Request) (*session.Session[U], error) {
	token, presented := bearer(r)
	if !presented {
		return nil, fmt.Errorf("%w: no bearer token", session.CodeInvalidAccessToken)
	}
	if a.foreign(r) {
		return nil, fmt.Errorf("%w: bearer token from another origin", session.CodeInvalidRequest)
	}
	if s := a.Session(r.Context()); s != nil && token != "" && string(s.AccessToken) == token {
		return s, nil
	}
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	var d decision[U]
	a.decideBearer(&d, session.AccessToken(token), &set)
	a.askIfLost(&d, r)
	if !d.signedIn {
		return nil, fmt.Errorf("%w: %v", session.CodeInvalidAccessToken, d.outcome)
	}
	return a.forApp(&d.session), nil
}

// ValidateRequestByCookie returns the session that a request's cookies prove (lucia-sveltekit's
// validateRequestByCookie). It is for GET and HEAD only, since another site can make a browser
// send cookies. Errors carry session.CodeInvalidRequestMethod for other methods and
// session.CodeInvalidRequest for a WebSocket upgrade from another origin. If there is no session
// they carry session.CodeInvalidAccessToken, or session.CodeDatabaseFetchFailed if the session
// store is unavailable. If the middleware has not run for the request, nothing is refreshed.
func (a *Auth[U]) ValidateRequestByCookie(r *http.Request) (*session.Session[U], error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, fmt.Errorf("%w: %s by cookie", session.CodeInvalidRequestMethod, r.Method)
	}
	if a.crossOrigin(r) {
		return nil, fmt.Errorf("%w: WebSocket upgrade from another origin", session.CodeInvalidRequest)
	}
	return a.byCookie(r)
}

// byCookie returns the session that the request's cookies prove. If the middleware has not run,
// nothing is refreshed.
func (a *Auth[U]) byCookie(r *http.Request) (*session.Session[U], error) {
	if _, presented := bearer(r); presented {
		var set cookieSet
		a.cookies.scan(r.Header, &set)
		return a.byAccessCookie(r, &set)
	}
	st := a.stateOf(r.Context())
	if st == nil {
		var set cookieSet
		a.cookies.scan(r.Header, &set)
		return a.byAccessCookie(r, &set)
	}
	switch now := st.current.Load(); {
	case now.signedIn:
		return a.forApp(&now.session), nil
	case now.outcome == OutcomeUnavailable:
		return nil, session.CodeDatabaseFetchFailed
	default:
		return nil, fmt.Errorf("%w: %v", session.CodeInvalidAccessToken, now.outcome)
	}
}

func (a *Auth[U]) byAccessCookie(r *http.Request, set *cookieSet) (*session.Session[U], error) {
	var d decision[U]
	seen := a.decideAccess(&d, set)
	if set.present() && !d.signedIn && d.outcome != OutcomeAmbiguous {
		d.withoutSession(seen)
	}
	a.askIfLost(&d, r)
	if !d.signedIn {
		return nil, fmt.Errorf("%w: %v", session.CodeInvalidAccessToken, d.outcome)
	}
	return a.forApp(&d.session), nil
}

// ValidateFormSubmission returns the session that a form post proves with its hidden _lucia field
// and the fingerprint cookie (lucia-sveltekit's validateFormSubmission). It parses the form. Wrap
// the body in http.MaxBytesReader to limit it. The field is read only from the body, which net/http
// parses for POST, PUT and PATCH.
//
// A token that expired while the person typed still is proof, if it is valid otherwise and the
// request has the token's session. In hardened mode, in which pages carry no token, the field
// contains the id of the page's session. A request of this origin that has that session is proof
// enough. Without the field, or with an empty one, a request of this origin with any session is.
//
// Errors carry session.CodeInvalidRequestMethod for GET and HEAD; session.CodeInvalidRequest for a
// form of another origin or another session, or one that cannot be parsed (for one that exceeds
// http.MaxBytesReader see [Status]); session.CodeInvalidAccessToken if the token is missing or not
// valid; and session.CodeDatabaseFetchFailed if the session store is unavailable. Uploaded files of
// a refused form are removed. A request without a fingerprint cookie is refused before its body is
// read. Several goroutines may call it, also after the request if the form was parsed before.
func (a *Auth[U]) ValidateFormSubmission(r *http.Request) (*session.Session[U], error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil, fmt.Errorf("%w: a form is not submitted with %s", session.CodeInvalidRequestMethod, r.Method)
	}
	if a.crossOrigin(r) {
		return nil, fmt.Errorf("%w: form of another origin", session.CodeInvalidRequest)
	}
	var set cookieSet
	// Nothing in the body could prove a session.
	if a.cookies.scan(r.Header, &set); set.fingerprint.n == 0 {
		return nil, fmt.Errorf("%w: no fingerprint", session.CodeInvalidAccessToken)
	}
	s, err := a.byForm(r)
	if err != nil && r.MultipartForm != nil {
		// Uploads of an unauthenticated request; the server may not know them.
		r.MultipartForm.RemoveAll()
	}
	return s, err
}

// byForm parses a form and returns the session that it proves.
func (a *Auth[U]) byForm(r *http.Request) (*session.Session[U], error) {
	if err := a.parse(r); err != nil {
		return nil, fmt.Errorf("%w: %w", session.CodeInvalidRequest, err)
	}
	value := r.PostFormValue(wire.FormField)
	if a.config.Hardened {
		if id, err := session.ParseID(value); err == nil {
			return a.byFormSession(r, id)
		}
		if value == "" {
			return a.byCookie(r)
		}
	}
	if value == "" {
		return nil, fmt.Errorf("%w: no %s field", session.CodeInvalidAccessToken, wire.FormField)
	}
	return a.byFormToken(r, session.AccessToken(value))
}

// byFormSession returns the session of the request if it is the session of the form's page. In the
// meantime another person may have signed in, in another tab.
func (a *Auth[U]) byFormSession(r *http.Request, page session.ID) (*session.Session[U], error) {
	current, err := a.byCookie(r)
	if err == nil && current.ID != page {
		return nil, fmt.Errorf("%w: form of another session", session.CodeInvalidRequest)
	}
	return current, err
}

// parse parses the form of a request, in one goroutine at a time.
func (a *Auth[U]) parse(r *http.Request) error {
	st := a.stateOf(r.Context())
	if st == nil {
		return parseForm(r)
	}
	st.forms.Lock()
	defer st.forms.Unlock()
	err := parseForm(r)
	if r.MultipartForm != nil && st.request.MultipartForm == nil {
		// The server removes the files of its own request.
		st.request.MultipartForm = r.MultipartForm
	}
	return err
}

func (a *Auth[U]) byFormToken(r *http.Request, token session.AccessToken) (*session.Session[U], error) {
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	proved, err := a.verifyEnded(token, &set)
	if err != nil {
		return nil, err
	}
	current, err := a.byCookie(r)
	if err == nil && current.ID != proved.ID {
		return nil, fmt.Errorf("%w: form of another session", session.CodeInvalidRequest)
	}
	if err == nil {
		return current, nil
	}
	// The cookies prove no session. A form token that is still valid suffices.
	var d decision[U]
	a.decideBearer(&d, token, &set)
	a.askIfLost(&d, r)
	if d.signedIn {
		return a.forApp(&d.session), nil
	}
	return nil, err
}
