package frameworks_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	chimw "github.com/go-chi/chi/v5/middleware"
	"github.com/gorilla/csrf"
	"github.com/gorilla/mux"
	"github.com/justinas/nosurf"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
)

// order is an app with lucia's middleware at one place among other middleware.
type order struct {
	name  string
	build func(auth *lucia.Auth[user], h handlers) http.Handler
}

// onMux returns a ServeMux with the handlers.
func onMux(auth *lucia.Auth[user], h handlers) *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("POST /login", h.login)
	m.HandleFunc("GET /page", h.page)
	m.Handle("GET /private", auth.Require(h.private))
	return m
}

func onChi(r chi.Router, auth *lucia.Auth[user], h handlers) {
	r.Post("/login", h.login)
	r.Get("/page", h.page)
	r.With(nethttp.Require(auth)).Get("/private", h.private)
}

func onGorilla(r *mux.Router, auth *lucia.Auth[user], h handlers) {
	r.HandleFunc("/login", h.login).Methods("POST")
	r.HandleFunc("/page", h.page).Methods("GET")
	r.Handle("/private", auth.Require(h.private)).Methods("GET")
}

// plain marks requests as plain HTTP for gorilla/csrf.
func plain(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, csrf.PlaintextHTTPRequest(r)) })
}

// exempt lets the app's own form pass a CSRF check, because these tests have no token for it.
func exempt(check func(http.Handler) http.Handler, next http.Handler) http.Handler {
	checked := check(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			next.ServeHTTP(w, r)
			return
		}
		checked.ServeHTTP(w, r)
	})
}

func gorillaCSRF(next http.Handler) http.Handler {
	return plain(csrf.Protect([]byte(strings.Repeat("k", 32)), csrf.Path("/"))(next))
}

func noSurf(next http.Handler) http.Handler { return nosurf.New(next) }

// basic requires a password for every request.
func basic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "secret" {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var good = []order{
	{"ServeMux", func(a *lucia.Auth[user], h handlers) http.Handler { return a.Handler(onMux(a, h)) }},
	{"http.TimeoutHandler around", func(a *lucia.Auth[user], h handlers) http.Handler {
		return http.TimeoutHandler(a.Handler(onMux(a, h)), time.Minute, "")
	}},
	{"chi Use", func(a *lucia.Auth[user], h handlers) http.Handler {
		r := chi.NewRouter()
		r.Use(chimw.Recoverer, chimw.StripSlashes, chimw.Compress(5), a.Handler, chimw.Timeout(time.Minute))
		onChi(r, a, h)
		return r
	}},
	{"chi Use before the others", func(a *lucia.Auth[user], h handlers) http.Handler {
		r := chi.NewRouter()
		r.Use(a.Handler, chimw.Recoverer, chimw.StripSlashes, chimw.Compress(5), chimw.Timeout(time.Minute))
		onChi(r, a, h)
		return r
	}},
	{"chi Group, routes mounted", func(a *lucia.Auth[user], h handlers) http.Handler {
		r := chi.NewRouter()
		r.Mount(a.BasePath(), a.RoutesHandler())
		r.Group(func(r chi.Router) {
			r.Use(a.Handler)
			onChi(r, a, h)
		})
		return r
	}},
	{"around gorilla/mux", func(a *lucia.Auth[user], h handlers) http.Handler {
		r := mux.NewRouter().StrictSlash(true)
		onGorilla(r, a, h)
		return a.Handler(r)
	}},
	{"gorilla/mux Use, routes mounted", func(a *lucia.Auth[user], h handlers) http.Handler {
		r := mux.NewRouter()
		r.PathPrefix(a.BasePath() + "/").Handler(a.RoutesHandler())
		r.Use(a.Handler)
		onGorilla(r, a, h)
		return r
	}},
	{"gorilla/csrf inside", func(a *lucia.Auth[user], h handlers) http.Handler {
		return a.Handler(exempt(gorillaCSRF, onMux(a, h)))
	}},
	{"nosurf inside", func(a *lucia.Auth[user], h handlers) http.Handler {
		return a.Handler(exempt(noSurf, onMux(a, h)))
	}},
	{"http.CrossOriginProtection around", func(a *lucia.Auth[user], h handlers) http.Handler {
		return http.NewCrossOriginProtection().Handler(a.Handler(onMux(a, h)))
	}},
}

func TestOrdersThatWork(t *testing.T) {
	t.Parallel()
	for _, o := range good {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			auth, log := newAuth(t)
			visit(t, o.build(auth, handlersOf(auth))).tour()
			if log.String() != "" {
				t.Errorf("the log has lines:\n%s", log)
			}
		})
	}
}

// TestOrdersThatTheLogNames checks that an order that cannot work is logged soon after the first
// page.
func TestOrdersThatTheLogNames(t *testing.T) {
	t.Parallel()
	for _, o := range []struct {
		order
		line string
	}{
		{order{"chi Group", func(a *lucia.Auth[user], h handlers) http.Handler {
			r := chi.NewRouter()
			r.Group(func(r chi.Router) {
				r.Use(a.Handler)
				onChi(r, a, h)
			})
			return r
		}}, "do not reach it"},
		{order{"gorilla/mux Use", func(a *lucia.Auth[user], h handlers) http.Handler {
			r := mux.NewRouter()
			r.Use(a.Handler)
			onGorilla(r, a, h)
			return r
		}}, "do not reach it"},
		{order{"gorilla/csrf around", func(a *lucia.Auth[user], h handlers) http.Handler {
			return exempt(gorillaCSRF, a.Handler(onMux(a, h)))
		}}, "do not reach it"},
		{order{"nosurf around", func(a *lucia.Auth[user], h handlers) http.Handler {
			return exempt(noSurf, a.Handler(onMux(a, h)))
		}}, "do not reach it"},
		{order{"http.TimeoutHandler inside", func(a *lucia.Auth[user], h handlers) http.Handler {
			return a.Handler(http.TimeoutHandler(onMux(a, h), time.Minute, ""))
		}}, "TimeoutHandler"},
	} {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			auth, log := newAuth(t)
			v := visit(t, o.build(auth, handlersOf(auth)))
			v.do("POST", "/login")
			v.expire()
			v.do("GET", "/page")
			for end := time.Now().Add(time.Minute); !strings.Contains(log.String(), o.line); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("the log does not mention the order:\n%s", log)
				}
			}
			if _, body := v.do("GET", "/page"); !strings.HasPrefix(body, "page of u1") {
				t.Errorf("the next page: %.80q, want that of u1", body)
			}
		})
	}
}

// TestBasicAuthInFront checks that HTTP basic authentication in front of the app does not affect
// sessions. A script's bearer token replaces the password in the request, so its refresh is
// refused.
func TestBasicAuthInFront(t *testing.T) {
	t.Parallel()
	auth, _ := newAuth(t)
	v := visit(t, basic(auth.Handler(onMux(auth, handlersOf(auth)))))
	password := []string{"Authorization", "Basic c3RhZmY6c2VjcmV0"}
	if resp, _ := v.do("POST", "/login", password...); resp.StatusCode != 200 {
		t.Fatalf("sign-in: status %d, want 200", resp.StatusCode)
	}
	for range 2 {
		if _, body := v.do("GET", "/private", password...); body != "private of u1" {
			t.Errorf("private page: %q, want that of u1", body)
		}
		v.expire()
	}
	_, body := v.do("GET", "/page", password...)
	if resp, body := v.do("POST", "/api/auth/refresh", "Authorization", "Bearer "+token(body, "refresh_token")); resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") != "Basic" {
		t.Errorf("a script's refresh: %d %q, want 401 of the basic authentication", resp.StatusCode, body)
	}
}
