// Package fromscs is an app on scs, before and after it moves to lucia.
package fromscs

import (
	"cmp"
	"net/http"

	"github.com/alexedwards/scs/v2"

	"github.com/lucia-go/lucia/internal/moving/people"
)

// Before is the app on scs. The session has everything: who is signed in, the cart, the message of
// the next page, and the page that a visitor wanted to open.
func Before(sessions *scs.SessionManager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		people.Show(w, people.View{
			Name:    people.Name(sessions.GetString(r.Context(), "userID")),
			Cart:    sessions.GetString(r.Context(), "cart"),
			Notice:  sessions.PopString(r.Context(), "notice"),
			SignOut: "/logout",
		})
	})
	mux.HandleFunc("POST /cart", func(w http.ResponseWriter, r *http.Request) {
		cart := sessions.GetString(r.Context(), "cart")
		if cart != "" {
			cart += ","
		}
		sessions.Put(r.Context(), "cart", cart+r.FormValue("item"))
		sessions.Put(r.Context(), "notice", "Added.")
		http.Redirect(w, r, "/", http.StatusSeeOther)
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
		if err := sessions.RenewToken(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		sessions.Put(r.Context(), "userID", id)
		http.Redirect(w, r, cmp.Or(sessions.PopString(r.Context(), "next"), "/"), http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.Destroy(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /account", func(w http.ResponseWriter, r *http.Request) {
		id := sessions.GetString(r.Context(), "userID")
		if id == "" {
			sessions.Put(r.Context(), "next", r.URL.Path)
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		w.Write([]byte("Account of " + people.Name(id)))
	})
	return sessions.LoadAndSave(mux)
}
