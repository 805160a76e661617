package fromsveltekit

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/internal/moving/people"
)

// Account is a row of the table user, as the old app's adapter wrote it.
type Account struct {
	ID string `json:"id"`
	// "username:" and the name that people sign in with.
	IdentifierToken string `json:"identifier_token"`
	HashedPassword  string `json:"hashed_password"`
	Name            string `json:"name"`
}

// Accounts takes the place of the table user.
type Accounts struct {
	mu   sync.Mutex
	rows map[string]Account // by id
}

// Set writes a row.
func (a *Accounts) Set(row Account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.set(row)
}

func (a *Accounts) set(row Account) {
	if a.rows == nil {
		a.rows = map[string]Account{}
	}
	a.rows[row.ID] = row
}

// Add writes a new row. It returns false if there is a row with the same identifier token.
func (a *Accounts) Add(row Account) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, taken := a.byIdentifier(row.IdentifierToken); taken {
		return false
	}
	a.set(row)
	return true
}

// ByID returns the row with this id.
func (a *Accounts) ByID(id string) (row Account, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	row, ok = a.rows[id]
	return row, ok
}

// ByIdentifier returns the row with this identifier token.
func (a *Accounts) ByIdentifier(token string) (row Account, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.byIdentifier(token)
}

func (a *Accounts) byIdentifier(token string) (row Account, ok bool) {
	for _, row := range a.rows {
		if row.IdentifierToken == token {
			return row, true
		}
	}
	return Account{}, false
}

// load is the app's LoadUser.
func (a *Accounts) load(_ context.Context, id string) (people.Profile, error) {
	row, ok := a.ByID(id)
	if !ok {
		return people.Profile{}, lucia.ErrUserNotFound
	}
	return people.Profile{Name: row.Name}, nil
}

// check returns the account with this name and password. It replaces a hash of the old app with one
// of Argon2.
func (a *Accounts) check(username, password string) (Account, bool) {
	row, ok := a.ByIdentifier("username:" + username)
	if !ok {
		return Account{}, false
	}
	if strings.HasPrefix(row.HashedPassword, argon2Prefix) {
		return row, verifyArgon2(password, row.HashedPassword)
	}
	if !Verify(password, row.HashedPassword) {
		return Account{}, false
	}
	row.HashedPassword = hashArgon2(password)
	a.Set(row)
	return row, true
}

const argon2Prefix = "$argon2id$v=19$m=19456,t=2,p=1$"

func argon2Key(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, 2, 19456, 1, 32)
}

func hashArgon2(password string) string {
	salt := make([]byte, 16)
	rand.Read(salt)
	encode := base64.RawStdEncoding.EncodeToString
	return argon2Prefix + encode(salt) + "$" + encode(argon2Key(password, salt))
}

func verifyArgon2(password, hash string) bool {
	salt, key, _ := strings.Cut(strings.TrimPrefix(hash, argon2Prefix), "$")
	saltBytes, err1 := base64.RawStdEncoding.DecodeString(salt)
	want, err2 := base64.RawStdEncoding.DecodeString(key)
	return errors.Join(err1, err2) == nil && subtle.ConstantTimeCompare(argon2Key(password, saltBytes), want) == 1
}

var home = template.Must(template.New("").Parse(`<!doctype html><title>Shop</title>{{.Head}}
{{if .Name}}<p>Hello, {{.Name}}.</p>
<form method="post" action="/name">{{.Field}}<input name="name"><button>Change name</button></form>
{{else}}<p>Hello, stranger. <a href="/login">Sign in</a></p>{{end}}`))

var credentials = template.Must(template.New("").Parse(`<!doctype html><title>{{.Title}}</title>
<form method="post">{{.Return}}<input name="username"><input name="password" type="password">
<button>{{.Title}}</button></form>`))

// After is the app on lucia. It keeps the table user. secret is that of the old app, and tokens is
// its table refresh_token.
func After(config lucia.Config[people.Profile], secret string, tokens RefreshTokens, accounts *Accounts) (http.Handler, error) {
	config.LoadUser = accounts.load
	auth, err := lucia.New(config)
	if err != nil {
		return nil, err
	}
	signIn := func(w http.ResponseWriter, r *http.Request, userID string) {
		if _, err := auth.SignIn(w, r, userID); err != nil {
			lucia.Error(w, r, err)
			return
		}
		http.Redirect(w, r, lucia.ReturnPath(r, "/"), http.StatusSeeOther)
	}
	form := func(title string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			credentials.Execute(w, map[string]any{"Title": title, "Return": lucia.ReturnField(r).HTML(r.Context())})
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		view := people.View{Head: lucia.PageData.HTML(r.Context()), Field: lucia.FormField.HTML(r.Context())}
		if session := auth.Session(r.Context()); session != nil {
			view.Name = session.User.Data.Name
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		home.Execute(w, view)
	})
	mux.Handle("GET /account", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("Account of " + auth.Session(r.Context()).User.Data.Name))
	})))
	mux.HandleFunc("GET /signup", form("Sign up"))
	mux.HandleFunc("POST /signup", func(w http.ResponseWriter, r *http.Request) {
		username := r.PostFormValue("username")
		account := Account{rand.Text(), "username:" + username, hashArgon2(r.PostFormValue("password")), username}
		if !accounts.Add(account) {
			http.Error(w, "the name is taken", http.StatusConflict)
			return
		}
		signIn(w, r, account.ID)
	})
	mux.HandleFunc("GET /login", form("Sign in"))
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		account, ok := accounts.check(r.PostFormValue("username"), r.PostFormValue("password"))
		if !ok {
			http.Error(w, "wrong name or password", http.StatusUnauthorized)
			return
		}
		signIn(w, r, account.ID)
	})
	mux.HandleFunc("POST /name", func(w http.ResponseWriter, r *http.Request) {
		session, err := auth.ValidateFormSubmission(r)
		if err != nil {
			lucia.WriteError(w, err)
			return
		}
		account, _ := accounts.ByID(session.User.ID)
		account.Name = r.PostFormValue("name")
		accounts.Set(account)
		if err := auth.Reload(w, r); err != nil {
			lucia.Error(w, r, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	user := func(validate func(*http.Request) (*lucia.Session[people.Profile], error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			session, err := validate(r)
			if err != nil {
				lucia.WriteError(w, err)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(session.User)
		}
	}
	mux.HandleFunc("GET /api/me", user(auth.ValidateRequest))
	mux.HandleFunc("/export", user(auth.ValidateRequestByCookie))
	return nethttp.Wrap(auth, CarryOver(auth, secret, tokens, mux)), nil
}
