package luciaecho

import (
	"github.com/labstack/echo/v4"

	"github.com/lucia-go/lucia/adapters/internal/answer"
	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// Error turns an error of auth into what a handler returns: an [echo.HTTPError]
// with the error's status and code, and Retry-After where the status is 503. The
// error itself is its Internal, for logs and errors.Is.
//
//	if _, err := auth.SignIn(c.Response(), c.Request(), id); err != nil {
//		return luciaecho.Error(c, err)
//	}
func Error(c echo.Context, err error) error {
	if err == nil {
		return nil
	}
	held := answer.Hold(c.Response())
	middleware.WriteError(held, err)
	return httpError(held, session.CodeOf(err), err)
}

// release answers with what was held back, errors in JSON by way of the app's
// HTTPErrorHandler.
func release(held *answer.Held) error {
	if code, ok := held.Code(); ok {
		return httpError(held, code, code)
	}
	return held.Release()
}

func httpError(held *answer.Held, code session.Code, cause error) error {
	held.Header().Del(echo.HeaderContentType) // whoever writes the body says what it is
	return &echo.HTTPError{Code: held.Status, Message: string(code), Internal: cause}
}
