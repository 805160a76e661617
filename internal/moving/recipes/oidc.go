// Package recipes is the code of docs/recipes.md.
package recipes

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/flash"
	"github.com/lucia-go/lucia/internal/moving/people"
)

// Provider signs people in at an OpenID Connect provider.
type Provider struct {
	auth     *lucia.Auth[people.Profile]
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	pending  *flash.Flash
	formPost bool
	client   *http.Client // for calls to the provider

	// UserID returns the id of the user who has the subject at the provider. It makes a new user,
	// or returns an error for people who are not invited.
	UserID func(ctx context.Context, subject, name string) (string, error)

	links links
}

// NewProvider reads the provider's configuration. With formPost, the provider responds with a form
// that the browser posts, and otherwise with a redirect.
func NewProvider(ctx context.Context, auth *lucia.Auth[people.Profile], secret []byte, oauth oauth2.Config, issuer string, formPost bool, client *http.Client) (*Provider, error) {
	ctx = oidc.ClientContext(ctx, client)
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	// A form post comes from another site. Browsers then send only cookies with SameSite=None.
	pending, err := flash.New(flash.Config{Secret: secret, CrossSite: formPost})
	if err != nil {
		return nil, err
	}
	oauth.Endpoint = provider.Endpoint()
	oauth.Scopes = []string{oidc.ScopeOpenID, "profile"}
	return &Provider{
		auth: auth, oauth: oauth, pending: pending, formPost: formPost, client: client,
		verifier: provider.VerifierContext(ctx, &oidc.Config{ClientID: oauth.ClientID}),
		links:    links{of: map[string][]link{}},
	}, nil
}

// attempt is a sign-in in progress. Each has its own cookie, so that two tabs do not interfere.
type attempt struct{ Nonce, Verifier, Next string }

// Login sends the person to the provider.
func (p *Provider) Login(w http.ResponseWriter, r *http.Request) {
	state := rand.Text()
	a := attempt{Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: lucia.ReturnPath(r, "/")}
	value, err := json.Marshal(a)
	if err == nil {
		err = p.pending.Set(w, "oidc-"+state, string(value))
	}
	if err != nil {
		lucia.Error(w, r, err)
		return
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)}
	if p.formPost {
		options = append(options, oauth2.SetAuthURLParam("response_mode", "form_post"))
	}
	http.Redirect(w, r, p.oauth.AuthCodeURL(state, options...), http.StatusSeeOther)
}

// Callback signs the person in when the provider sends them back, by GET or by POST.
func (p *Provider) Callback(w http.ResponseWriter, r *http.Request) {
	value, ok := p.pending.Take(w, r, "oidc-"+r.FormValue("state"))
	var a attempt
	if !ok || json.Unmarshal([]byte(value), &a) != nil {
		http.Error(w, "This sign-in has expired. Please go back and try again.", http.StatusBadRequest)
		return
	}
	if r.FormValue("error") != "" { // the person has cancelled; /login would send them back there
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	token, sid, err := p.exchange(r.Context(), r.FormValue("code"), a)
	if err != nil {
		log.Print("provider: ", err)
		http.Error(w, "The provider did not sign you in.", http.StatusBadGateway)
		return
	}
	userID, err := p.UserID(r.Context(), token.Subject, claim(token, "name"))
	if err != nil {
		lucia.Error(w, r, err)
		return
	}
	// The state was checked, so this POST from another site is one that the app has asked for.
	session, err := p.auth.SignIn(w, r, userID, lucia.FromCallback())
	if err != nil {
		lucia.Error(w, r, err)
		return
	}
	p.links.add(link{sid: sid, subject: token.Subject, userID: userID, session: session.ID})
	http.Redirect(w, r, a.Next, http.StatusSeeOther)
}

// exchange redeems the code. It returns the ID token and the provider's id of its session.
func (p *Provider) exchange(ctx context.Context, code string, a attempt) (token *oidc.IDToken, sid string, err error) {
	ctx = oidc.ClientContext(ctx, p.client)
	tokens, err := p.oauth.Exchange(ctx, code, oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return nil, "", err
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err = p.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, "", err
	}
	if token.Nonce != a.Nonce {
		return nil, "", errors.New("the ID token has the nonce of another sign-in")
	}
	return token, claim(token, "sid"), nil
}

func claim(token *oidc.IDToken, name string) string {
	var claims map[string]any
	if token.Claims(&claims) != nil {
		return ""
	}
	value, _ := claims[name].(string)
	return value
}

// BackChannelLogout ends sessions when the provider says that the person has signed out there. The
// provider calls it, not the browser. It is idempotent, so the provider may send a token twice.
func (p *Provider) BackChannelLogout(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	token, err := p.verifier.VerifyLogout(oidc.ClientContext(r.Context(), p.client), r.PostFormValue("logout_token"))
	if err != nil {
		http.Error(w, "invalid logout token", http.StatusBadRequest)
		return
	}
	for _, l := range p.links.matching(token.SessionID, token.Subject) {
		if err := p.auth.EndSession(r.Context(), l.userID, l.session); err != nil {
			log.Print("back-channel logout: ", err)
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
	}
}

// link says which session of the app belongs to which session at the provider.
type link struct {
	sid, subject, userID string
	session              lucia.ID
}

// links takes the place of a table of the app. The app deletes the rows of that table after
// Config.Lifetime.
type links struct {
	mu sync.Mutex
	of map[string][]link // by subject
}

func (s *links) add(l link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[l.subject] = append(s.of[l.subject], l)
}

// matching returns the links of a session at the provider, or of all of a subject's sessions.
func (s *links) matching(sid, subject string) (found []link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range s.of {
		for _, l := range list {
			if sid != "" && l.sid == sid || sid == "" && l.subject == subject {
				found = append(found, l)
			}
		}
	}
	return found
}
