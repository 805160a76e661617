package luciaecho

import (
	"github.com/labstack/echo/v4"

	"github.com/lucia-go/lucia/adapters/internal/refusal"
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
	if denial := refusal.Of(err); denial != nil {
		return answer(c, denial, denial)
	}
	return err
}

// answer returns the error that the app's HTTPErrorHandler writes, or nil if the denial
// has been answered.
func answer(c echo.Context, denial *middleware.Denial, cause error) error {
	if refusal.Answer(c.Response(), denial) {
		return nil
	}
	return &echo.HTTPError{Code: denial.Status, Message: string(denial.Code), Internal: cause}
}
