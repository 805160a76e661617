package middleware

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// retryAfter is the value of Retry-After with a 503, in seconds.
const retryAfter = "2"

// Status returns the HTTP status for an error of this package or of package session. It returns
// 200 for nil, 413 for a body that exceeds http.MaxBytesReader, and 500 for an error without a
// code.
func Status(err error) int {
	if _, cut := errors.AsType[*http.MaxBytesError](err); cut && session.CodeOf(err) == session.CodeInvalidRequest {
		return http.StatusRequestEntityTooLarge
	}
	if err == nil {
		return http.StatusOK
	}
	switch session.CodeOf(err) {
	case session.CodeNotAuthenticated, session.CodeUnauthorized, session.CodeInvalidAccessToken,
		session.CodeInvalidRefreshToken, session.CodeStepUpRequired:
		return http.StatusUnauthorized
	case session.CodeInvalidRequest, session.CodeDeviceRequired:
		return http.StatusForbidden
	case session.CodeInvalidRequestMethod:
		return http.StatusMethodNotAllowed
	case session.CodeTooManySessions:
		return http.StatusConflict
	case session.CodeInvalidUserID, session.CodeInvalidTerms:
		return http.StatusBadRequest
	case session.CodeDatabaseFetchFailed, session.CodeDatabaseUpdateFailed:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// WriteError responds to a script with an error: its status, and the body {"message":"CODE"}. A
// 503 has Retry-After. A 401 has the challenge from which clients know whether a refresh may
// help, unless a challenge is already set. Only the code reaches the client.
func WriteError(w http.ResponseWriter, err error) {
	status := Status(err)
	switch {
	case status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	case status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "":
		challenge := wire.ChallengeMissing
		switch session.CodeOf(err) {
		case session.CodeInvalidAccessToken:
			challenge = wire.ChallengeInvalid
		case session.CodeStepUpRequired:
			challenge = wire.ChallengeStepUp
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	writeJSON(w, status, wire.ErrorBody{Message: string(session.CodeOf(err))})
}

// writeJSON responds with a JSON body. Bodies of this package always marshal.
func writeJSON(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"message":"`+session.CodeUnknown+`"}`)
	}
	writeBody(w, status, data)
}

// writeBody responds with JSON.
func writeBody(w http.ResponseWriter, status int, data []byte) {
	h := w.Header()
	lines := [2]string{"application/json", "nosniff"}
	h["Content-Type"], h["X-Content-Type-Options"] = lines[0:1:1], lines[1:2:2]
	w.WriteHeader(status)
	w.Write(data)
}
