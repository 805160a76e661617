package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lucia-go/lucia"
)

// makeAdmin makes sure that the account of -admin exists, and returns the password of one that it
// has made. Whoever has the account may act as other users, so no one can sign up for it.
func (s *Site) makeAdmin(ctx context.Context, name string) (password string, err error) {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	admin, err := s.users.ByName(ctx, name)
	if errors.Is(err, lucia.ErrUserNotFound) {
		password = strings.ToLower(rand.Text())
		var hash string
		if hash, err = s.passwords.Hash(ctx, password); err != nil {
			return "", err
		}
		admin = newUser(name, hash)
		// Another server that starts now may have added the user.
		if err = s.users.Add(ctx, admin); errors.Is(err, ErrTaken) {
			password = ""
			admin, err = s.users.ByName(ctx, name)
		}
	}
	if err != nil {
		return "", fmt.Errorf("-admin: %w", err)
	}
	s.admin = admin.ID
	return password, nil
}

// isAdmin reports whether the session is the administrator's own, in which they act as no one.
func (s *Site) isAdmin(session *lucia.Session[Profile]) bool {
	return session != nil && session.Actor == nil && s.admin != "" && session.User.ID == s.admin
}

// ActAs returns the user whom the form of an administrator names, and the reason that it states.
func (s *Site) ActAs(r *http.Request, session *lucia.Session[Profile]) (u User, reason string, err error) {
	if !s.isAdmin(session) {
		return u, "", errNoAdmin
	}
	reason = r.PostFormValue("reason")
	if cleaned, err := cleanBio(reason); err != nil || cleaned == "" || strings.Contains(cleaned, "\n") {
		return u, "", errReason
	}
	u, err = s.userByName(r.Context(), r.PostFormValue("user"))
	switch {
	case errors.Is(err, lucia.ErrUserNotFound):
		return u, "", errNoUser
	case err == nil && u.ID == session.User.ID:
		return u, "", errSelf
	}
	return u, reason, err
}

// Acting reports whether someone acts as the user of the page.
func (v *View) Acting() bool { return v.Session != nil && v.Session.Actor != nil }
