// Package refusal holds what all adapters decide alike about refused requests: whether the library
// responds or the framework's error handler does. It depends on no framework.
package refusal

import (
	"errors"
	"net/http"

	"github.com/lucia-go/lucia/middleware"
)

// Of returns err if it is a denial. It returns nil if err is nil or an error of the app, even one
// that wraps a denial.
func Of(err error) *middleware.Denial {
	denial, ok := errors.AsType[*middleware.Denial](err)
	if !ok || err != error(denial) {
		return nil
	}
	return denial
}

// Answer writes the whole response for a person, and one without a body, and returns true. For a
// script it only adds the denial's headers to those of w and returns false. The framework's error
// handler then writes the status, the code and the Content-Type.
func Answer(w http.ResponseWriter, denial *middleware.Denial) bool {
	if denial.Person || len(denial.Body) == 0 {
		denial.Write(w)
		return true
	}
	denial.SetHeader(w.Header())
	w.Header().Del("Content-Type")
	return false
}
