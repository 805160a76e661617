// Command nethttp is an app on net/http in which people sign up, sign in, stay
// signed in and sign out:
//
//	go run ./examples/nethttp
//
// Sessions and users are in memory; -db keeps both in a SQLite file, -redis in Redis.
// See -help.
package main

import (
	"errors"
	"net/http"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/examples/internal/demo"
)

func main() { demo.Main("net/http", build) }

// app is the handlers and what they need.
type app struct {
	auth *lucia.Auth[demo.Profile]
	site *demo.Site
}

func build(site *demo.Site) (*lucia.Auth[demo.Profile], http.Handler, error) {
	a := &app{site: site}
	config := site.Config // Secret, Store and LoadUser are all that the library needs
	config.Deny = a.deny
	auth, err := lucia.New(config)
	if err != nil {
		return nil, nil, err
	}
	a.auth = auth

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.show("home"))
	mux.HandleFunc("GET /signup", a.show("signup"))
	mux.HandleFunc("POST /signup", a.enter("signup", site.SignUp))
	mux.HandleFunc("GET /login", a.show("login"))
	mux.HandleFunc("POST /login", a.enter("login", site.CheckPassword))
	mux.Handle("GET /profile", auth.Require(a.show("profile")))
	mux.HandleFunc("POST /profile", a.saveProfile)
	mux.Handle("GET /events", auth.Require(site.Events(auth)))
	mux.Handle("GET /devices", auth.Require(http.HandlerFunc(a.devices)))
	mux.HandleFunc("POST /devices/end", a.endDevice)
	mux.HandleFunc("POST /act", a.act)
	mux.HandleFunc("POST /act/stop", a.stopActing)
	mux.Handle("GET /danger", auth.RequireRecent(site.Recent)(a.show("danger")))
	mux.Handle("GET /again", auth.Require(a.show("again")))
	mux.Handle("POST /again", auth.Require(http.HandlerFunc(a.confirm)))
	mux.HandleFunc("GET /api/me", a.me)
	mux.Handle("GET /static/", site.Assets)
	return auth, nethttp.Wrap(auth, demo.WithErrorPages(mux, a.fail)), nil
}

// show shows a page. If the session store is unavailable, it shows an error, because the page of
// a signed-out visitor would be misleading.
func (a *app) show(page string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if a.auth.Outcome(r.Context()) == lucia.OutcomeUnavailable {
			a.fail(w, r, demo.ErrUnavailable)
			return
		}
		a.page(w, r, page, nil)
	}
}

// page renders a page. If err is not nil, the page reports it and has the error's status.
func (a *app) page(w http.ResponseWriter, r *http.Request, name string, err error) {
	a.site.Render(w, name, a.site.View(w, r, a.auth, err))
}

// enter signs in the user that who finds in the form of a page.
func (a *app) enter(page string, who func(*http.Request) (demo.User, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, err := who(r)
		if err == nil {
			_, err = a.auth.SignIn(w, r, user.ID, lucia.Remember(demo.Remember(r)))
		}
		if err != nil {
			a.page(w, r, page, err)
			return
		}
		http.Redirect(w, r, lucia.ReturnPath(r, "/profile"), http.StatusSeeOther)
	}
}

// saveProfile handles a form with the session's hidden field.
func (a *app) saveProfile(w http.ResponseWriter, r *http.Request) {
	s, err := a.auth.ValidateFormSubmission(r)
	if err == nil {
		err = a.site.SaveBio(r.Context(), s.User.ID, r.PostFormValue("bio"))
	}
	if err == nil {
		err = a.auth.Reload(w, r) // the new access token contains the change
	}
	if err != nil {
		a.page(w, r, "profile", err)
		return
	}
	http.Redirect(w, r, "/profile", http.StatusSeeOther)
}

// devices shows where the person is signed in.
func (a *app) devices(w http.ResponseWriter, r *http.Request) {
	v := a.site.View(w, r, a.auth, nil)
	sessions, err := a.auth.Sessions(r.Context(), v.Session.User.ID)
	if err == nil {
		v.Devices, err = a.site.Devices(r.Context(), sessions)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.site.Render(w, "devices", v)
}

// endDevice ends one session of the person, or all but that of the request.
func (a *app) endDevice(w http.ResponseWriter, r *http.Request) {
	if err := a.endSessions(w, r); err != nil {
		a.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/devices", http.StatusSeeOther)
}

func (a *app) endSessions(w http.ResponseWriter, r *http.Request) error {
	s, err := a.auth.ValidateFormSubmission(r)
	if err != nil {
		return err
	}
	id, others, err := demo.DeviceToEnd(r, s)
	switch {
	case err != nil:
		return err
	case others:
		_, err = a.auth.EndOthers(w, r)
		return err
	case id == s.ID:
		return a.auth.SignOut(w, r)
	}
	return a.auth.EndSession(r.Context(), s.User.ID, id)
}

// act begins a session in which the administrator acts as another user.
func (a *app) act(w http.ResponseWriter, r *http.Request) {
	s, err := a.auth.ValidateFormSubmission(r)
	var user demo.User
	var reason string
	if err == nil {
		user, reason, err = a.site.ActAs(r, s)
	}
	if err == nil {
		_, err = a.auth.SignIn(w, r, user.ID, lucia.Actor(s.User.ID, reason))
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/profile", http.StatusSeeOther)
}

// stopActing returns to the administrator's own session. A second click finds it already there.
func (a *app) stopActing(w http.ResponseWriter, r *http.Request) {
	err := a.auth.StopActing(w, r)
	if err != nil && !errors.Is(err, lucia.CodeNotAuthenticated) {
		a.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/profile", http.StatusSeeOther)
}

// confirm handles the form of the step-up page. It begins a new session of the same user and
// returns to the page that was refused.
func (a *app) confirm(w http.ResponseWriter, r *http.Request) {
	err := a.site.ConfirmPassword(r, a.auth.Session(r.Context()))
	if err == nil {
		_, err = a.auth.StepUp(w, r)
	}
	if err != nil {
		a.page(w, r, "again", err)
		return
	}
	http.Redirect(w, r, lucia.ReturnPath(r, "/danger"), http.StatusSeeOther)
}

// me is for scripts and programs, which send the access token as a bearer token.
func (a *app) me(w http.ResponseWriter, r *http.Request) {
	validate := a.auth.ValidateRequest
	if a.site.Hardened() { // scripts have no token in hardened mode
		validate = a.auth.ValidateRequestByCookie
	}
	s, err := validate(r)
	if err != nil {
		demo.Challenge(w.Header(), err)
		lucia.WriteError(w, err)
		return
	}
	demo.WriteJSON(w, s.User)
}

// deny shows this site's page, instead of the library's, during an outage of the session store.
// Require answers all other refusals itself.
func (a *app) deny(w http.ResponseWriter, r *http.Request, denial *lucia.Denial) error {
	if !demo.IsOutage(denial) {
		return denial
	}
	a.fail(w, r, demo.ErrUnavailable)
	return nil
}

// fail shows the page of an error.
func (a *app) fail(w http.ResponseWriter, r *http.Request, err error) { a.page(w, r, "error", err) }
