package fromgorilla

import (
	"crypto/sha256"
	"log"
	"net/http"
	"sync"

	"github.com/gorilla/sessions"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/flash"
	"github.com/lucia-go/lucia/internal/moving/people"
)

// After is the app on lucia. Each old session is exchanged once.
func After(config lucia.Config[people.Profile], old sessions.Store, spent *Spent) (http.Handler, error) {
	auth, err := lucia.New(config)
	if err != nil {
		return nil, err
	}
	flashes, err := flash.New(flash.Config{Secret: config.Secret, Dev: config.Dev})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		view := people.View{
			Head:    lucia.PageData.HTML(r.Context()),
			Field:   lucia.FormField.HTML(r.Context()),
			SignOut: auth.BasePath() + "/logout",
		}
		view.Notice, _ = flashes.Take(w, r, "notice")
		if session := auth.Session(r.Context()); session != nil {
			view.Name = session.User.Data.Name
		}
		people.Show(w, view)
	})
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		people.ShowLogin(w, lucia.ReturnField(r).HTML(r.Context()))
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		id, ok := people.Check(r.FormValue("username"), r.FormValue("password"))
		if !ok {
			http.Error(w, "wrong name or password", http.StatusUnauthorized)
			return
		}
		if _, err := auth.SignIn(w, r, id); err != nil {
			lucia.Error(w, r, err)
			return
		}
		flashes.Set(w, "notice", "Welcome back.")
		http.Redirect(w, r, lucia.ReturnPath(r, "/"), http.StatusSeeOther)
	})
	mux.Handle("GET /account", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("Account of " + auth.Session(r.Context()).User.Data.Name))
	})))
	return nethttp.Wrap(auth, carryOver(auth, old, spent, mux)), nil
}

// Spent remembers the old cookies that have been accepted. It takes the place of a table with a
// primary key that all processes share.
type Spent struct{ hashes sync.Map }

// First reports whether the cookie has not been accepted yet, and remembers it.
func (s *Spent) First(cookie string) bool {
	_, seen := s.hashes.LoadOrStore(sha256.Sum256([]byte(cookie)), true)
	return !seen
}

// Forget makes the cookie acceptable again, after a sign-in that failed.
func (s *Spent) Forget(cookie string) { s.hashes.Delete(sha256.Sum256([]byte(cookie))) }

// carryOver signs in the person whose old session the browser still has, once, and deletes its
// cookie. Remove carryOver MaxAge after the move, when the last old session has expired.
func carryOver(auth *lucia.Auth[people.Profile], old sessions.Store, spent *Spent, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie(Name)
		if err != nil || !lucia.IsPage(r) {
			next.ServeHTTP(w, r)
			return
		}
		session, err := old.Get(r, Name)
		if id, ok := session.Values["userID"].(string); err == nil && ok && auth.Session(r.Context()) == nil && spent.First(cookie.Value) {
			if _, err := auth.SignIn(w, r, id); err != nil {
				log.Print("old session: ", err)
				spent.Forget(cookie.Value)
				next.ServeHTTP(w, r)
				return
			}
		}
		session.Options.MaxAge = -1
		if err := session.Save(r, w); err != nil {
			log.Print("old session: ", err)
		}
		next.ServeHTTP(w, r)
	})
}
