package fromgorilla

import (
	"log"
	"net/http"

	"github.com/gorilla/sessions"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/flash"
	"github.com/lucia-go/lucia/internal/moving/people"
)

// After is the app on lucia. Each old session is exchanged once.
func After(config lucia.Config[people.Profile], old sessions.Store, spent *people.Spent) (http.Handler, error) {
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

// carryOver signs in the person whose old session the browser still has, once, and deletes its
// cookie. Remove carryOver MaxAge after the move, when the last old session has expired.
func carryOver(auth *lucia.Auth[people.Profile], old sessions.Store, spent *people.Spent, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie(Name)
		if err != nil || !lucia.IsPage(r) {
			next.ServeHTTP(w, r)
			return
		}
		session, err := old.Get(r, Name)
		if auth.Session(r.Context()) == nil {
			if id, ok := session.Values["userID"].(string); err == nil && ok && spent.First(cookie.Value) {
				if _, err := auth.SignIn(w, r, id); err != nil {
					log.Print("old session: ", err)
					spent.Forget(cookie.Value)
					next.ServeHTTP(w, r)
					return
				}
			} else if spent.Wait(w, r, cookie.Value) {
				return // another tab has just been signed in
			}
		}
		session.Options.MaxAge = -1
		if err := session.Save(r, w); err != nil {
			log.Print("old session: ", err)
		}
		next.ServeHTTP(w, r)
	})
}
