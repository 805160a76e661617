package engine

import "errors"

// opaqueError wraps the failure of LoadUser or the store, for logs. errors.Is and errors.As search
// it but do not find the codes and errors with which this package decides about sessions. An app's
// LoadUser may return a coded error of another call of this library. A caller that took that code
// for the result would sign people out because a database is down.
type opaqueError struct {
	err error
	// gone is set if LoadUser returned ErrUserNotFound.
	gone bool
}

func (e opaqueError) Error() string { return e.err.Error() }

// Is implements errors.Is.
func (e opaqueError) Is(target error) bool {
	if isVerdict(target) {
		return e.gone && target == ErrUserNotFound
	}
	return errors.Is(e.err, target)
}

// As implements errors.As.
func (e opaqueError) As(target any) bool {
	switch target.(type) {
	case *Code, **tokenError:
		return false
	}
	return errors.As(e.err, target)
}

func isVerdict(err error) bool {
	switch err {
	case ErrUserNotFound, ErrExpired, ErrRevoked, ErrOutdated, ErrUnknownKey, ErrFingerprint, ErrMalformed, ErrReused:
		return true
	}
	switch err.(type) {
	case Code, *tokenError:
		return true
	}
	return false
}
