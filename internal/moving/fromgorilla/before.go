// Package fromgorilla is an app on gorilla/sessions, before and after it moves to lucia.
package fromgorilla

import (
	"net/http"

	"github.com/gorilla/sessions"

	"github.com/lucia-go/lucia/internal/moving/people"
)

// Name is the name of the session and of its cookie.
const Name = "shop"

// Before is the app on gorilla/sessions, with sessions in a cookie or in any of its stores.
func Before(store sessions.Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		session, _ := store.Get(r, Name) // an error means a new session
		id, _ := session.Values["userID"].(string)
		view := people.View{Name: people.Name(id), SignOut: "/logout"}
		if flashes := session.Flashes(); len(flashes) > 0 {
			view.Notice, _ = flashes[0].(string)
			if err := session.Save(r, w); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		people.Show(w, view)
	})
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		people.ShowLogin(w, "")
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		id, ok := people.Check(r.FormValue("username"), r.FormValue("password"))
		if !ok {
			http.Error(w, "wrong name or password", http.StatusUnauthorized)
			return
		}
		session, _ := store.Get(r, Name)
		session.Values["userID"] = id
		session.AddFlash("Welcome back.")
		if err := session.Save(r, w); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		session, _ := store.Get(r, Name)
		session.Options.MaxAge = -1
		if err := session.Save(r, w); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /account", func(w http.ResponseWriter, r *http.Request) {
		session, _ := store.Get(r, Name)
		id, ok := session.Values["userID"].(string)
		if !ok {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		w.Write([]byte("Account of " + people.Name(id)))
	})
	return mux
}
