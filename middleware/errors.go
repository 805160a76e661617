package middleware

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// retryAfter is what a 503 asks a client to wait, in seconds.
const retryAfter = "2"

// Status returns the HTTP status that stands for an error of this package or of
// package session: 200 for nil, 500 for an error without a code. A body that
// http.MaxBytesReader has cut off is 413.
func Status(err error) int {
	if _, cut := errors.AsType[*http.MaxBytesError](err); cut && session.CodeOf(err) == session.CodeInvalidRequest {
		return http.StatusRequestEntityTooLarge
	}
	if err == nil {
		return http.StatusOK
	}
	switch session.CodeOf(err) {
	case session.CodeNotAuthenticated, session.CodeUnauthorized, session.CodeInvalidAccessToken, session.CodeInvalidRefreshToken:
		return http.StatusUnauthorized
	case session.CodeInvalidRequest:
		return http.StatusForbidden
	case session.CodeInvalidRequestMethod:
		return http.StatusMethodNotAllowed
	case session.CodeInvalidUserID:
		return http.StatusBadRequest
	case session.CodeDatabaseFetchFailed, session.CodeDatabaseUpdateFailed:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// WriteError answers a script with an error: its status, Retry-After with 503,
// with 401 the challenge by which clients know that a refresh may help (unless
// one is set), and {"message":"CODE"}. Nothing but the code reaches the client.
func WriteError(w http.ResponseWriter, err error) {
	status := Status(err)
	switch {
	case status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	case status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "":
		challenge := wire.ChallengeMissing
		if session.CodeOf(err) == session.CodeInvalidAccessToken {
			challenge = wire.ChallengeInvalid
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	writeJSON(w, status, wire.ErrorBody{Message: string(session.CodeOf(err))})
}

// writeJSON answers with a JSON body. Bodies of this package always marshal.
func writeJSON(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"message":"`+session.CodeUnknown+`"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(data)
}
