package recipes

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/internal/moving/people"
)

// keyPrefix begins every API key of the app, so that scanners recognize one in a repository.
const keyPrefix = "shop_"

// APIKeys maps the hash of each key to the id of its user. It takes the place of a table of the
// app. A key is keyPrefix and rand.Text(). It is shown once, when it is made.
type APIKeys map[[sha256.Size]byte]string

// apiKey returns the API key of a request.
func apiKey(r *http.Request) (key string, ok bool) {
	key, ok = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return key, ok && strings.HasPrefix(key, keyPrefix)
}

// HasAPIKey reports whether a request has an API key. It is for Config.Skip: lucia does not look at
// such requests, and their cookies do not count.
func HasAPIKey(r *http.Request) bool {
	_, ok := apiKey(r)
	return ok
}

type userKey struct{}

// UserID returns the id of the user of a request that RequireUser has admitted.
func UserID(ctx context.Context) string {
	id, _ := ctx.Value(userKey{}).(string)
	return id
}

// RequireUser admits requests with an API key or a session.
func RequireUser(auth *lucia.Auth[people.Profile], keys APIKeys, next http.Handler) http.Handler {
	withUser := func(w http.ResponseWriter, r *http.Request, id string) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, id)))
	}
	bySession := auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		withUser(w, r, auth.Session(r.Context()).User.ID)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, ok := apiKey(r)
		if !ok {
			bySession.ServeHTTP(w, r)
			return
		}
		id, ok := keys[sha256.Sum256([]byte(key))]
		if !ok {
			lucia.WriteError(w, lucia.CodeUnauthorized)
			return
		}
		withUser(w, r, id)
	})
}
