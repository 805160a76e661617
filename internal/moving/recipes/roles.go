package recipes

import (
	"context"
	"net/http"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/internal/moving/people"
)

// Role is what a member may do in an organisation. A higher role may do all that a lower one may.
type Role int

// The roles. NoRole is the role of people who are not members.
const (
	NoRole Role = iota
	Member
	Admin
)

// RequireRole admits users who have the role least, or a higher one, in the organisation of the
// path, /orgs/{org}. roleOf reads the app's table on each request, so a change takes effect at
// once. Users who are not members get a 404, as if the organisation did not exist.
func RequireRole(auth *lucia.Auth[people.Profile], least Role, roleOf func(ctx context.Context, org, userID string) (Role, error), next http.Handler) http.Handler {
	return auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		role, err := roleOf(r.Context(), r.PathValue("org"), auth.Session(r.Context()).User.ID)
		switch {
		case err != nil:
			lucia.Error(w, r, err)
		case role == NoRole:
			http.NotFound(w, r)
		case role < least:
			http.Error(w, "Only admins may do this.", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	}))
}
