package fromscs

import (
	"log"
	"net/http"

	"github.com/alexedwards/scs/v2"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/flash"
	"github.com/lucia-go/lucia/internal/moving/people"
)

// After is the app on lucia. lucia knows who is signed in. A user's cart is in the app's table. A
// visitor's cart and the message of the next page are flash values. Each old session is exchanged
// once.
func After(config lucia.Config[people.Profile], old *scs.SessionManager, carts *people.Carts, spent *people.Spent) (http.Handler, error) {
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
			view.Cart = carts.Of(session.User.ID)
		} else {
			view.Cart, _ = flashes.Peek(r, "cart")
		}
		people.Show(w, view)
	})
	mux.HandleFunc("POST /cart", func(w http.ResponseWriter, r *http.Request) {
		item := r.FormValue("item")
		if session := auth.Session(r.Context()); session != nil {
			carts.Add(session.User.ID, item)
		} else {
			if cart, ok := flashes.Peek(r, "cart"); ok {
				item = cart + "," + item
			}
			if err := flashes.Set(w, "cart", item); err != nil {
				http.Error(w, "The cart is full.", http.StatusBadRequest)
				return
			}
		}
		flashes.Set(w, "notice", "Added.")
		http.Redirect(w, r, "/", http.StatusSeeOther)
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
		if cart, ok := flashes.Take(w, r, "cart"); ok {
			carts.Add(id, cart)
		}
		http.Redirect(w, r, lucia.ReturnPath(r, "/"), http.StatusSeeOther)
	})
	mux.Handle("GET /account", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("Account of " + auth.Session(r.Context()).User.Data.Name))
	})))
	return nethttp.Wrap(auth, carryOver(auth, old, carts, spent, mux)), nil
}

// carryOver signs in the person whose session of scs the browser still has, and ends that session.
// Remove carryOver when the last old session has expired.
func carryOver(auth *lucia.Auth[people.Profile], old *scs.SessionManager, carts *people.Carts, spent *people.Spent, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie(old.Cookie.Name)
		if err != nil || !lucia.IsPage(r) {
			next.ServeHTTP(w, r)
			return
		}
		ctx, err := old.Load(r.Context(), cookie.Value)
		if err != nil {
			// The store is down; the cookie is kept for a later request.
			log.Print("old sessions: ", err)
			next.ServeHTTP(w, r)
			return
		}
		if auth.Session(r.Context()) == nil {
			if id := old.GetString(ctx, "userID"); id != "" && spent.First(cookie.Value) {
				if _, err := auth.SignIn(w, r, id); err != nil {
					log.Print("old session: ", err)
					spent.Forget(cookie.Value)
					next.ServeHTTP(w, r)
					return
				}
				carts.Add(id, old.GetString(ctx, "cart"))
			} else if spent.Wait(w, r, cookie.Value) {
				return // another tab has just been signed in
			}
		}
		if err := old.Destroy(ctx); err != nil {
			log.Print("old session: ", err)
		}
		http.SetCookie(w, &http.Cookie{Name: old.Cookie.Name, Path: old.Cookie.Path, Domain: old.Cookie.Domain, MaxAge: -1})
		next.ServeHTTP(w, r)
	})
}
