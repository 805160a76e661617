package engine

import "strings"

// notFoundHint is logged beside a failure of LoadUser that most likely means: there
// is no such user. Without ErrUserNotFound every refresh of a deleted user is
// answered 503, for as long as the session would live.
const notFoundHint = "if this means that the user is gone, LoadUser must return ErrUserNotFound: then the user's sessions end"

// loadError is a failure of LoadUser, as opposed to one of the store.
type loadError struct{ err error }

func (e loadError) Error() string { return "LoadUser: " + e.err.Error() }

func (e loadError) Unwrap() error { return e.err }

// notFoundTexts are what database libraries say where a query finds nothing:
// database/sql and pgx, gorm, the MongoDB driver, the Redis clients, ent and others.
var notFoundTexts = [...]string{"no rows in result set", "record not found", "no documents in result", "redis: nil", "redis nil message", "user not found"}

// meansNotFound reports whether err, or an error that it wraps, says that a query
// found nothing. It goes by the text: the library that err is of is the app's.
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
