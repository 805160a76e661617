package luciaecho

import (
	"errors"

	"github.com/labstack/echo/v4"

	"github.com/lucia-go/lucia/middleware"
)

// Error turns an error of auth into what a handler returns. For a script that is an
// [echo.HTTPError] with the error's status and code, and its header already set; the
// error itself is its Internal, for logs and errors.Is. A person is answered with a
// page at once, since echo's own HTTPErrorHandler writes JSON, and the handler returns
// nil: an app with error pages of its own returns the error in its own way instead.
//
//	if _, err := auth.SignIn(c.Response(), c.Request(), id); err != nil {
//		return luciaecho.Error(c, err)
//	}
func Error(c echo.Context, err error) error {
	if err == nil {
		return nil
	}
	return answer(c, middleware.DenialOf(c.Request(), err), err)
}

// deny answers what Config.Deny has left to be answered. What is no denial is the
// app's own error.
func deny(c echo.Context, err error) error {
	if denial, ok := errors.AsType[*middleware.Denial](err); ok && err == error(denial) {
		return answer(c, denial, denial)
	}
	return err
}

// answer writes a denial for a person, and one without a body. Errors in JSON go by way
// of the app's HTTPErrorHandler.
func answer(c echo.Context, denial *middleware.Denial, cause error) error {
	if denial.Person || len(denial.Body) == 0 {
		denial.Write(c.Response())
		return nil
	}
	h := c.Response().Header()
	denial.WriteHeader(h)
	h.Del(echo.HeaderContentType) // whoever writes the body says what it is
	return &echo.HTTPError{Code: denial.Status, Message: string(denial.Code), Internal: cause}
}
