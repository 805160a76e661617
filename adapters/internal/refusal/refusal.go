// Package refusal holds what the adapters decide alike about refused requests: whether the
// library answers or the framework's error handler does. It knows no framework.
package refusal

import (
	"errors"
	"net/http"

	"github.com/lucia-go/lucia/middleware"
)

// Of returns the denial that err is. It returns nil if err is nil or an error of the
// app's own, one that wraps a denial included.
func Of(err error) *middleware.Denial {
	denial, ok := errors.AsType[*middleware.Denial](err)
	if !ok || err != error(denial) {
		return nil
	}
	return denial
}

// Answer writes the whole answer for a person, and one without a body, and reports that it
// did. For a script it only adds the denial's header to that of w and returns false: the
// framework's error handler writes the status and the code, and says what type the body is.
func Answer(w http.ResponseWriter, denial *middleware.Denial) bool {
	if denial.Person || len(denial.Body) == 0 {
		denial.Write(w)
		return true
	}
	denial.SetHeader(w.Header())
	w.Header().Del("Content-Type")
	return false
}
