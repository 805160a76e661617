package demo

import (
	"fmt"
	"net/http"

	"github.com/lucia-go/lucia"
)

// ConfirmPassword checks the password of a form of the step-up page. The user is that of the
// session, so the form has no name.
func (s *Site) ConfirmPassword(r *http.Request, session *lucia.Session[Profile]) error {
	_, password, err := credentials(r)
	if err != nil {
		return err
	}
	u, err := s.users.ByID(r.Context(), session.User.ID)
	if err != nil {
		return err
	}
	right, err := s.passwords.Verify(r.Context(), u.hash, password)
	if err != nil {
		return fmt.Errorf("step-up: %w", err)
	}
	if !right {
		return ErrWrongAgain
	}
	return nil
}

// Unsent reports whether the person has come to the step-up page with a form that was not saved.
func (v *View) Unsent() bool { return lucia.FormUnsent(v.Request) }

// SignedInAgo says how long ago the person proved who they are.
func (v *View) SignedInAgo() string { return Ago(v.Session.AuthTime) }
