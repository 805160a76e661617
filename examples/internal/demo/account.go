package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/lucia-go/lucia"
)

// maxBody limits the body of every request.
const maxBody = 64 << 10

// maxPassword is the limit of a password's length in bytes.
const maxPassword = 1000

// credentials reads the fields username and password of a form of this site. It refuses forms of
// other sites, which could sign a person in as another user.
func credentials(r *http.Request) (name, password string, err error) {
	if http.NewCrossOriginProtection().Check(r) != nil {
		return "", "", errCrossSite
	}
	if err := parse(r); err != nil {
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			return "", "", errTooLarge
		}
		return "", "", errForm
	}
	return r.PostFormValue("username"), r.PostFormValue("password"), nil
}

// parse parses a form of either encoding. ParseMultipartForm alone does not return the errors of
// urlencoded forms.
func parse(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	if err := r.ParseMultipartForm(maxBody); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return err
	}
	return nil
}

// Remember reports whether a sign-in form asks the browser to keep the session when it closes. The
// form has a checkbox and, before it, a hidden field of the same name that says no: an unchecked
// box sends nothing. A form without the fields, such as a program's, asks for what is usual.
func Remember(r *http.Request) bool {
	values := r.PostForm["remember"]
	return len(values) == 0 || values[len(values)-1] != "no"
}

// SignUp adds the user that a sign-up form describes. A real app should also require long
// passwords and refuse those that have leaked.
func (s *Site) SignUp(r *http.Request) (User, error) {
	name, password, err := credentials(r)
	if err != nil {
		return User{}, err
	}
	if name, err = cleanName(name); err != nil {
		return User{}, err
	}
	switch {
	case password == "":
		return User{}, errNoPassword
	case len(password) > maxPassword:
		return User{}, errPassword
	}
	switch _, err := s.users.ByName(r.Context(), name); {
	case err == nil:
		return User{}, ErrTaken // saves the hashing; Add decides
	case !errors.Is(err, lucia.ErrUserNotFound):
		return User{}, err
	}
	hash, err := s.passwords.Hash(r.Context(), password)
	if err != nil {
		return User{}, err
	}
	u := newUser(name, hash)
	return u, s.users.Add(r.Context(), u)
}

// CheckPassword returns the user whose name and password a sign-in form has. For an unknown name,
// answer and time are those of a wrong password.
func (s *Site) CheckPassword(r *http.Request) (User, error) {
	name, password, err := credentials(r)
	if err != nil {
		return User{}, err
	}
	u, err := s.userByName(r.Context(), name)
	known := err == nil
	if !known {
		if !errors.Is(err, lucia.ErrUserNotFound) {
			return User{}, err
		}
		u.hash = s.passwords.dummy
	}
	right, err := s.passwords.Verify(r.Context(), u.hash, password)
	if err != nil {
		return User{}, fmt.Errorf("sign-in: %w", err)
	}
	if !right || !known {
		return User{}, ErrWrongPassword
	}
	return u, nil
}

func (s *Site) userByName(ctx context.Context, name string) (User, error) {
	clean, err := cleanName(name)
	if err != nil {
		clean = "\x00" // no user has this name; it is looked up like any other
	}
	return s.users.ByName(ctx, clean)
}

// SaveBio changes what users write about themselves.
func (s *Site) SaveBio(ctx context.Context, id, bio string) error {
	bio, err := cleanBio(bio)
	if err != nil {
		return err
	}
	return s.users.SetBio(ctx, id, bio)
}
