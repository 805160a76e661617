package middleware

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lucia-go/lucia/internal/dbsc"
	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// This file implements Device Bound Session Credentials over HTTP (docs/device-bound.md). The
// browser's bound cookie is the access cookie. A browser that is about to send a request without it
// first sends a proof of its key to the route "bound" and gets a new one. The engine decides about
// keys and proofs.

// boundAttributes are the attributes of the access cookie, without its lifetime. Config.DeviceBound
// excludes the settings with which they differ.
const boundAttributes = "Path=/; Secure; HttpOnly; SameSite=Lax"

// certificateField is the query parameter of the refresh URL with the certificate of the key.
const certificateField = "key"

// offerBinding asks the browser to register a key for a session that begins with this response.
// After a request that another site has caused, the browser would register without its cookies;
// see startOver.
func (a *Auth[U]) offerBinding(h http.Header, r *http.Request, s *session.Session[U]) {
	if site := header(r, "Sec-Fetch-Site"); !a.config.DeviceBound || site != "same-origin" && site != "none" {
		return
	}
	if challenge := a.engine.Offer(s); challenge != "" {
		h.Set(dbsc.HeaderRegistration, dbsc.Registration{Path: a.config.BasePath + wire.RouteBound, Challenge: challenge}.String())
	}
}

// isFromElsewhere reports whether a link or a form of another site, or a redirect that began
// there, has led a person to a page. Browsers do not refresh a bound cookie for such a request.
func isFromElsewhere(r *http.Request) bool {
	site := header(r, "Sec-Fetch-Site")
	return (site == "cross-site" || site == "same-site") && r.Method == http.MethodGet &&
		header(r, "Sec-Fetch-Dest") == "document" && !isPrefetch(r)
}

// startOver returns the response to a page navigation from another site that the browser must
// repeat by itself, so that the request comes from this site. It returns nil if there is no need
// for that. There are two cases:
//
//   - The session is bound and the access cookie is missing. The browser refreshes it before it
//     repeats the request.
//   - The session began with the callback of an identity provider. The browser goes to the page by
//     way of the route "bound", which asks it to register a key.
func (a *Auth[U]) startOver(d *decision[U], r *http.Request) *Denial {
	switch {
	case d.again:
		return againDenial("0")
	case !a.config.DeviceBound || d.outcome != OutcomeFresh || d.session.Generation != session.FirstGeneration:
		return nil
	case !isFromElsewhere(r) || !bindsSessions(r) || a.engine.Offer(&d.session) == "":
		return nil
	}
	next := url.QueryEscape(pathOf(r))
	if len(next) > maxNext {
		return nil
	}
	return againDenial("0;url=" + a.config.BasePath + wire.RouteBound + "?" + nextField + "=" + next)
}

// againDenial returns a page that the browser replaces at once. It has a Refresh header and needs
// no script.
func againDenial(refresh string) *Denial {
	return &Denial{
		Status: http.StatusOK,
		Code:   session.CodeUnauthorized,
		Person: true,
		Header: http.Header{
			"Refresh": {refresh}, "Content-Type": {"text/html; charset=utf-8"}, "Cache-Control": {noStore},
		},
		Body:  []byte("<!DOCTYPE html>\n<title></title>\n"),
		ahead: true,
	}
}

// firstChromium is the first version of Chromium that binds sessions by default.
const firstChromium = 145

// bindsSessions reports whether the browser is known to bind sessions. Chromium identifies itself
// in every request (User-Agent Client Hints). Other browsers do not get a header that they cannot
// use.
func bindsSessions(r *http.Request) bool {
	_, rest, found := strings.Cut(header(r, "Sec-Ch-Ua"), `"Chromium";v="`)
	version, _, _ := strings.Cut(rest, `"`)
	n, err := strconv.Atoi(version)
	return found && err == nil && n >= firstChromium
}

// RequireBound makes [Auth.Require] pass only sessions that are bound to a key of the browser's
// device (Config.DeviceBound). Every other session gets a 403 with session.CodeDeviceRequired. A
// person who signed in a moment ago waits, if their browser is about to bind the session.
// RequireBound does not access the store.
func RequireBound() RequireOption { return RequireOption{bound: true} }

// boundDenial returns the response to an unbound session if RequireBound was given.
func (a *Auth[U]) boundDenial(r *http.Request, s *session.Session[U]) *Denial {
	switch {
	case isPrefetch(r):
		return prefetchDenial()
	case a.config.DeviceBound && bindsSessions(r) && a.engine.Offer(s) != "" && r.Method == http.MethodGet && isNavigate(r):
		return againDenial("1")
	}
	return newDenial(r, session.CodeDeviceRequired)
}

// decideBound judges a request with a bound refresh cookie and without a valid access cookie. The
// request proves nothing, so the store is not asked.
func (a *Auth[U]) decideBound(d *decision[U], r *http.Request, c engine.RefreshCredential) {
	switch {
	case len(r.Header[dbsc.HeaderSkipped]) > 0:
		d.outcome = OutcomeUnavailable // the browser could not refresh now, and will
	case isUpgrade(r):
		d.outcome = OutcomeUnavailable // the next page or script will refresh
	case isFromElsewhere(r):
		d.outcome, d.again = OutcomeDeferred, true
	default:
		d.outcome = OutcomeExpired
		a.engine.ReportUnproved(c)
	}
}

// serveBound serves the route "bound": a browser that registers a key or proves that it has it,
// and people whom startOver has sent.
func (a *Auth[U]) serveBound(w http.ResponseWriter, r *http.Request) {
	setPrivate(w.Header())
	if isRead(r) {
		a.offerOnTheWay(w, r)
		return
	}
	if a.crossOrigin(r) {
		Error(w, r, session.CodeInvalidRequest)
		return
	}
	if id := header(r, dbsc.HeaderID); id != "" {
		a.serveProof(w, r, dbsc.Text(id))
		return
	}
	a.serveRegistration(w, r)
}

// offerOnTheWay redirects to the path in the request's field next, and asks the browser to register
// a key.
func (a *Auth[U]) offerOnTheWay(w http.ResponseWriter, r *http.Request) {
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	var d decision[U]
	if a.decideAccess(&d, &set); d.signedIn {
		a.offerBinding(w.Header(), r, &d.session)
	}
	w.Header().Set("Location", localOr(r.URL.Query().Get(nextField), "/"))
	w.WriteHeader(http.StatusSeeOther)
}

// deviceRequest is what a browser's own request presents of a session.
type deviceRequest[U any] struct {
	fingerprint engine.Fingerprint
	cookie      engine.RefreshCredential
	access      *session.Session[U] // nil if there is no valid access token of the session
	// The cookie is sealed with a key that this process does not have.
	unknownKey bool
}

// deviceRequest returns what a request presents of a session. The zero id stands for the session of
// the access token. ok is false if there is no genuine refresh cookie of the session.
func (a *Auth[U]) deviceRequest(r *http.Request, id session.ID) (req deviceRequest[U], ok bool) {
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	var d decision[U]
	if a.decideAccess(&d, &set); d.signedIn && (id == session.ID{} || d.session.ID == id) {
		req.access, id = &d.session, d.session.ID
	}
	creds := a.credentials(&set)
	for _, unknown := range creds.unknown {
		req.unknownKey = req.unknownKey || unknown == id
	}
	for _, c := range creds.list {
		if fp, own := ownFingerprint(c, &set); own && c.SessionID == id {
			req.cookie, req.fingerprint, ok = c, fp, true
		}
	}
	return req, ok && !req.unknownKey && !set.crowded()
}

// serveRegistration answers the key that a browser has made. It changes no session. It shortens
// the browser's access cookie, so that the first proof comes with one of the next requests.
func (a *Auth[U]) serveRegistration(w http.ResponseWriter, r *http.Request) {
	req, ok := a.deviceRequest(r, session.ID{})
	if !ok || req.access == nil || !a.config.DeviceBound {
		Error(w, r, session.CodeUnauthorized)
		return
	}
	registered, err := a.engine.Register(req.access, req.cookie, header(r, dbsc.HeaderResponse))
	if err != nil {
		Error(w, r, session.CodeUnauthorized)
		return
	}
	h := w.Header()
	id := req.cookie.SessionID.String()
	h.Set(dbsc.HeaderChallenge, dbsc.Challenge{Value: registered.Challenge, ID: id}.String())
	a.cookies.set(h, a.cookies.access, string(req.access.AccessToken), registered.CookieLife)
	body, err := json.Marshal(dbsc.Instructions{
		SessionID:   id,
		RefreshURL:  a.config.BasePath + wire.RouteBound + "?" + certificateField + "=" + registered.Certificate,
		Credentials: []dbsc.Credential{{Type: "cookie", Name: a.cookies.access, Attributes: boundAttributes}},
	})
	if err != nil {
		WriteError(w, err)
		return
	}
	writeBody(w, http.StatusOK, body)
}

// serveProof answers a browser that refreshes a bound session. Chromium stops binding the session
// after a 401, tries again after a 503, and sends a proof after a 403.
func (a *Auth[U]) serveProof(w http.ResponseWriter, r *http.Request, name string) {
	id, err := session.ParseID(name)
	if err != nil {
		Error(w, r, session.CodeUnauthorized)
		return
	}
	req, ok := a.deviceRequest(r, id)
	if !ok {
		code := session.CodeUnauthorized
		if req.unknownKey { // another process may have the key
			code = session.CodeDatabaseFetchFailed
		}
		Error(w, r, code)
		return
	}
	refreshed, challenge, err := a.engine.Prove(r.Context(), engine.ProofParams[U]{
		Fingerprint: req.fingerprint,
		Cookie:      req.cookie,
		Access:      req.access,
		Certificate: r.URL.Query().Get(certificateField),
		Proof:       header(r, dbsc.HeaderResponse),
	})
	switch {
	case errors.Is(err, session.CodeDatabaseFetchFailed):
		Error(w, r, err)
	case err != nil:
		Error(w, r, session.CodeUnauthorized)
	case challenge != "":
		w.Header().Set(dbsc.HeaderChallenge, dbsc.Challenge{Value: challenge, ID: name}.String())
		w.WriteHeader(http.StatusForbidden)
	default:
		a.setRefreshed(w.Header(), r, &refreshed)
		w.WriteHeader(http.StatusOK)
	}
}

// refreshBound serves POST refresh for a bound session. The script gets the tokens that the browser
// already has, because only the browser can refresh them. If it has none, the script is asked to
// try again later.
func (a *Auth[U]) refreshBound(w http.ResponseWriter, r *http.Request, creds []engine.RefreshCredential) {
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	var d decision[U]
	a.decideAccess(&d, &set)
	if !d.signedIn || d.session.ID != creds[0].SessionID || d.session.ExpiresIn(time.Now()) == 0 {
		Error(w, r, session.CodeDatabaseFetchFailed)
		return
	}
	if a.noteActivity(&d, r, &set); !d.signedIn {
		Error(w, r, session.CodeUnauthorized)
		return
	}
	if d.refreshed != nil {
		a.setRefreshed(w.Header(), r, d.refreshed)
	}
	for _, c := range creds {
		if token := c.Token(); token != "" {
			d.session.RefreshToken = token
		}
	}
	a.writeRefreshed(w, r, &engine.Refreshed[U]{Session: d.session})
}
