package recipes

import (
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/flash"
	"github.com/lucia-go/lucia/internal/moving/people"
)

// Passkeys lets people sign in with a passkey. The challenge between the two halves of a ceremony
// is a flash value, which belongs to one browser. A copy of its cookie stays valid for ten minutes,
// so the challenges that have been used are remembered for that time.
type Passkeys struct {
	auth     *lucia.Auth[people.Profile]
	webauthn *webauthn.WebAuthn
	pending  *flash.Flash
	used     people.Spent
	keys     credentials
}

//go:embed passkeys.js
var passkeysScript string

// NewPasskeys returns the passkeys of the app at an origin such as https://app.example. An origin
// with http is one of development.
func NewPasskeys(auth *lucia.Auth[people.Profile], secret []byte, host, origin string) (*Passkeys, error) {
	w, err := webauthn.New(&webauthn.Config{RPID: host, RPDisplayName: "Shop", RPOrigins: []string{origin}})
	if err != nil {
		return nil, err
	}
	pending, err := flash.New(flash.Config{Secret: secret, Dev: strings.HasPrefix(origin, "http://")})
	if err != nil {
		return nil, err
	}
	return &Passkeys{auth: auth, webauthn: w, pending: pending, keys: credentials{of: map[string][]webauthn.Credential{}}}, nil
}

// Routes returns the four routes, and the script that calls them and passes the answers to
// navigator.credentials.
func (p *Passkeys) Routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /passkeys/new", p.auth.Require(http.HandlerFunc(p.beginRegistration)))
	mux.Handle("POST /passkeys", p.auth.Require(http.HandlerFunc(p.finishRegistration)))
	mux.HandleFunc("POST /login/passkey/new", p.beginLogin)
	mux.HandleFunc("POST /login/passkey", p.finishLogin)
	mux.HandleFunc("GET /passkeys.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		io.WriteString(w, passkeysScript)
	})
	return mux
}

func (p *Passkeys) beginRegistration(w http.ResponseWriter, r *http.Request) {
	options, data, err := p.webauthn.BeginRegistration(p.user(p.auth.Session(r.Context()).User.ID),
		webauthn.WithResidentKeyRequirement(protocol.ResidentKeyRequirementRequired))
	p.begin(w, "passkey-new", options, data, err)
}

func (p *Passkeys) finishRegistration(w http.ResponseWriter, r *http.Request) {
	user := p.user(p.auth.Session(r.Context()).User.ID)
	data, err := p.take(w, r, "passkey-new")
	if err != nil {
		refuse(w, err)
		return
	}
	credential, err := p.webauthn.FinishRegistration(user, data, r)
	if err != nil {
		refuse(w, err)
		return
	}
	p.keys.add(user.id, *credential)
	w.WriteHeader(http.StatusNoContent)
}

func (p *Passkeys) beginLogin(w http.ResponseWriter, r *http.Request) {
	options, data, err := p.webauthn.BeginDiscoverableLogin()
	p.begin(w, "passkey", options, data, err)
}

func (p *Passkeys) finishLogin(w http.ResponseWriter, r *http.Request) {
	data, err := p.take(w, r, "passkey")
	if err != nil {
		refuse(w, err)
		return
	}
	find := func(_, handle []byte) (webauthn.User, error) { return p.user(string(handle)), nil }
	user, credential, err := p.webauthn.FinishPasskeyLogin(find, data, r)
	if err != nil {
		refuse(w, err)
		return
	}
	id := string(user.WebAuthnID())
	p.keys.update(id, *credential) // its counter has changed
	if _, err := p.auth.SignIn(w, r, id); err != nil {
		lucia.WriteError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// begin sends the options to the browser and keeps the challenge in a flash value.
func (p *Passkeys) begin(w http.ResponseWriter, name string, options any, data *webauthn.SessionData, err error) {
	var value, answer []byte
	if err == nil {
		value, err = json.Marshal(data)
	}
	if err == nil {
		err = p.pending.Set(w, name, string(value))
	}
	if err == nil {
		answer, err = json.Marshal(options)
	}
	if err != nil {
		log.Print("passkeys: ", err)
		http.Error(w, "passkeys are not available", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(answer)
}

// take returns the data of the ceremony in progress. It returns an error if its challenge has been
// used, whether or not the ceremony then succeeded.
func (p *Passkeys) take(w http.ResponseWriter, r *http.Request, name string) (data webauthn.SessionData, err error) {
	value, ok := p.pending.Take(w, r, name)
	if !ok {
		return data, errors.New("passkeys: no ceremony is in progress")
	}
	if err := json.Unmarshal([]byte(value), &data); err != nil {
		return data, err
	}
	if !p.used.First(data.Challenge) {
		return data, errors.New("passkeys: the challenge has been used")
	}
	return data, nil
}

func refuse(w http.ResponseWriter, err error) {
	log.Print("passkeys: ", err)
	http.Error(w, "The passkey was not accepted.", http.StatusUnauthorized)
}

// passkeyUser implements webauthn.User.
type passkeyUser struct {
	id   string
	keys []webauthn.Credential
}

func (p *Passkeys) user(id string) passkeyUser { return passkeyUser{id, p.keys.list(id)} }

func (u passkeyUser) WebAuthnID() []byte                         { return []byte(u.id) }
func (u passkeyUser) WebAuthnName() string                       { return people.Name(u.id) }
func (u passkeyUser) WebAuthnDisplayName() string                { return people.Name(u.id) }
func (u passkeyUser) WebAuthnCredentials() []webauthn.Credential { return u.keys }

// credentials takes the place of a table of the app.
type credentials struct {
	mu sync.Mutex
	of map[string][]webauthn.Credential // by user
}

func (c *credentials) list(userID string) []webauthn.Credential {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]webauthn.Credential{}, c.of[userID]...)
}

func (c *credentials) add(userID string, key webauthn.Credential) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[userID] = append(c.of[userID], key)
}

func (c *credentials) update(userID string, key webauthn.Credential) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, old := range c.of[userID] {
		if string(old.ID) == string(key.ID) {
			c.of[userID][i] = key
		}
	}
}
