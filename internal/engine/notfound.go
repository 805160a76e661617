package engine

import "strings"

// notFoundHint is logged with a failure of LoadUser that most likely means that the user does not
// exist. Without ErrUserNotFound every refresh of a deleted user is answered with 503 until the
// session expires.
const notFoundHint = "if this error means that the user does not exist, LoadUser must return ErrUserNotFound to end the user's sessions"

// loadError is a failure of LoadUser, as opposed to one of the store.
type loadError struct{ err error }

func (e loadError) Error() string { return "LoadUser: " + e.err.Error() }

func (e loadError) Unwrap() error { return e.err }

// notFoundTexts are parts of the errors of database libraries for a query without a result:
// database/sql and pgx, gorm, the MongoDB driver, the Redis clients, ent and others.
var notFoundTexts = [...]string{"no rows in result set", "record not found", "no documents in result", "redis: nil", "redis nil message", "user not found"}

// meansNotFound reports whether err, or an error that it wraps, means that a query had no result.
// It checks the text, because the library that returned err is the app's.
func meansNotFound(err error) bool {
	switch wrapper := err.(type) {
	case nil:
		return false
	case interface{ Unwrap() error }:
		if meansNotFound(wrapper.Unwrap()) {
			return true
		}
	case interface{ Unwrap() []error }:
		for _, e := range wrapper.Unwrap() {
			if meansNotFound(e) {
				return true
			}
		}
	}
	text := strings.ToLower(err.Error())
	for _, t := range notFoundTexts {
		if strings.Contains(text, t) {
			return true
		}
	}
	return false
}
