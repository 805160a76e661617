package luciaecho

import (
	"github.com/labstack/echo/v5"

	"github.com/lucia-go/lucia/adapters/internal/refusal"
	"github.com/lucia-go/lucia/middleware"
)

// Error converts an error of auth to the error that a handler returns. For a script it returns an
// [echo.HTTPError] with the error's status and code, and sets its headers. It wraps err itself, for
// logs and errors.Is. To a person Error responds with a page at once and returns nil, because
// echo's own HTTPErrorHandler writes JSON. An app with error pages of its own does not use Error
// for people.
//
//	if _, err := auth.SignIn(c.Response(), c.Request(), id); err != nil {
//		return luciaecho.Error(c, err)
//	}
func Error(c *echo.Context, err error) error {
	if err == nil {
		return nil
	}
	return answer(c, middleware.DenialOf(c.Request(), err), err)
}

// deny writes the response that Config.Deny has not written. An error that is not a denial is the
// app's own.
func deny(c *echo.Context, err error) error {
	if denial := refusal.Of(err); denial != nil {
		return answer(c, denial, denial)
	}
	return err
}

// answer returns the error that the app's HTTPErrorHandler writes, or nil if the denial
// has been answered.
func answer(c *echo.Context, denial *middleware.Denial, cause error) error {
	if refusal.Answer(c.Response(), denial) {
		return nil
	}
	return echo.NewHTTPError(denial.Status, string(denial.Code)).Wrap(cause)
}
