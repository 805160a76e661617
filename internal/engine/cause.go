package engine

import "errors"

// opaqueError is why LoadUser or the store failed, for logs. errors.Is and errors.As
// look into it, but find none of this package's own verdicts there: an app's
// LoadUser may well return a coded error of some other call of this library,
// and a caller who took that for the answer would sign people out because a
// database is down.
type opaqueError struct {
	err error
	// gone says that ErrUserNotFound is the verdict.
	gone bool
}

func (c opaqueError) Error() string { return c.err.Error() }

// Is implements what errors.Is asks for.
func (c opaqueError) Is(target error) bool {
	if isVerdict(target) {
		return c.gone && target == ErrUserNotFound
	}
	return errors.Is(c.err, target)
}

// As implements what errors.As asks for.
func (c opaqueError) As(target any) bool {
	switch target.(type) {
	case *Code, **tokenError:
		return false
	}
	return errors.As(c.err, target)
}

func isVerdict(err error) bool {
	switch err {
	case ErrUserNotFound, ErrExpired, ErrRevoked, ErrOutdated, ErrUnknownKey, ErrFingerprint, ErrMalformed:
		return true
	}
	switch err.(type) {
	case Code, *tokenError:
		return true
	}
	return false
}
