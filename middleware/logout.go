package middleware

import (
	"errors"
	"mime"
	"net/http"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// maxFormBytes bounds the body of a logout form.
const maxFormBytes = 64 << 10

// serveLogout serves POST logout. Scripts prove the session by the bearer token and forms by the
// hidden field. In hardened mode both prove it by the cookie. A person who submits the form is
// signed out and redirected to a page, however old the form's page is. Because the request comes
// from this origin, the session of the browser's cookies ends, too.
func (a *Auth[U]) serveLogout(w http.ResponseWriter, r *http.Request) {
	setPrivate(w.Header())
	if a.crossOrigin(r) {
		Error(w, r, session.CodeInvalidRequest)
		return
	}
	var set cookieSet
	a.cookies.scan(r.Header, &set)
	token, given := bearer(r)
	out := signOutRequest{token: token, form: !given && isForm(r), person: !given && IsPage(r)}
	if out.form {
		out.read(w, r, &set)
	}
	if err := a.logOut(w, r, out, &set); err != nil {
		Error(w, r, err)
		return
	}
	next := localOr(out.redirect, "/")
	switch v := viewOf(r); {
	case !out.form && !out.person:
		w.WriteHeader(http.StatusNoContent)
	case v == viewHTMX: // htmx would insert the target of a redirect in place of the form
		w.Header().Set("HX-Redirect", next)
		w.WriteHeader(http.StatusNoContent)
	// Turbo would search that page for its frame, and a form's answer is no 200.
	case v == viewFrame:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusUnauthorized)
		w.Write(redirectPage(notice{title: "Signed out", text: "You are signed out."}, next))
	default:
		w.Header().Set("Location", next)
		w.WriteHeader(http.StatusSeeOther)
	}
}

// signOutRequest is a request to sign out.
type signOutRequest struct {
	token        string // the access token presented, or the session's id, or ""
	form, person bool
	redirect     string
}

// read reads the form. If there is no fingerprint cookie, nothing in the form could prove a
// session, so read ignores the body.
func (l *signOutRequest) read(w http.ResponseWriter, r *http.Request, set *cookieSet) {
	if set.fingerprint.n == 0 {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if parseForm(r) == nil {
		l.token, l.redirect = r.PostFormValue(wire.FormField), r.PostFormValue(wire.RedirectField)
	}
}

// names returns the session that the form names, as pages of hardened mode do.
func (l *signOutRequest) names() (session.ID, bool) {
	id, err := session.ParseID(l.token)
	return id, l.form && err == nil
}

// logOut ends the session of the token that is presented. For a person it also ends the session of
// the cookies, and so it does in hardened mode, in which there is no token. A script's form that
// names another session ends none. Scripts get an error if there is no session.
func (a *Auth[U]) logOut(w http.ResponseWriter, r *http.Request, out signOutRequest, set *cookieSet) error {
	found := false
	var ended session.ID
	named, byID := out.names()
	byID = byID && a.config.Hardened
	if out.token != "" && !byID {
		if s, err := a.verifyEnded(session.AccessToken(out.token), set); err == nil {
			found, ended = true, s.ID
			if err := a.engine.SignOut(r.Context(), s.User.ID, s.ID); err != nil {
				return err
			}
		}
	}
	if out.person && !found || byID || out.token == "" && a.config.Hardened {
		userID, id, err := a.identify(set)
		if err == nil && (out.person || !byID || id == named) {
			found, ended = true, id
			if err := a.engine.SignOut(r.Context(), userID, id); err != nil {
				return err
			}
		}
	}
	if !found && !out.person {
		return session.CodeNotAuthenticated
	}
	a.signedOut(w, r, ended)
	return nil
}

// isForm reports whether the request is a form post.
func isForm(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(header(r, "Content-Type"))
	return err == nil && (media == "application/x-www-form-urlencoded" || media == "multipart/form-data")
}

// parseForm parses the body of a form post of either encoding.
func parseForm(r *http.Request) error {
	if err := r.ParseForm(); err != nil { // ParseMultipartForm would hide this error
		return err
	}
	if err := r.ParseMultipartForm(maxFormMemory); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return err
	}
	return nil
}

// maxFormMemory is how much of a multipart form is kept in memory, as in net/http.
const maxFormMemory = 32 << 20

func localOr(path, fallback string) string {
	if isLocalPath(path) {
		return path
	}
	return fallback
}
