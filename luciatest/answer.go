package luciatest

import (
	"net/http"
	"net/http/httptest"
)

// answer is a handler's ResponseWriter. It records the answer as httptest.ResponseRecorder does.
// Like the server of net/http, it detects the content type from the beginning of the body, even if
// the handler has set the status.
type answer struct {
	*httptest.ResponseRecorder
	flushed int // length of the body at the first Flush
}

func newAnswer() *answer { return &answer{ResponseRecorder: httptest.NewRecorder()} }

// WriteHeader implements [http.ResponseWriter]. It ignores informational statuses.
func (a *answer) WriteHeader(status int) {
	if status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols {
		return
	}
	a.ResponseRecorder.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK) // no effect if the status is set
	switch {
	case len(p) == 0:
		return 0, nil
	case !hasBody(a.Code):
		return 0, http.ErrBodyNotAllowed
	}
	return a.Body.Write(p)
}

// WriteString implements [io.StringWriter].
func (a *answer) WriteString(s string) (int, error) { return a.Write([]byte(s)) }

// Flush implements [http.Flusher].
func (a *answer) Flush() {
	if !a.Flushed {
		a.flushed = a.Body.Len()
	}
	a.ResponseRecorder.Flush()
}

// response returns the answer that the client gets.
func (a *answer) response(req *http.Request) *http.Response {
	resp := a.Result()
	resp.Request = req
	if start := a.start(); sniffs(resp.Header) && len(start) > 0 {
		resp.Header.Set("Content-Type", http.DetectContentType(start))
	}
	switch {
	case resp.StatusCode == http.StatusNotModified:
		resp.Header.Del("Content-Type")
	case req.Method == http.MethodHead:
		resp.Body = http.NoBody // a HEAD request has an answer without a body
	}
	return resp
}

// start returns the part of the body that a server knows when it sends the header.
func (a *answer) start() []byte {
	if a.Flushed {
		return a.Body.Bytes()[:a.flushed]
	}
	return a.Body.Bytes()
}

// sniffs reports whether a server detects the content type of the body.
func sniffs(h http.Header) bool {
	_, named := h["Content-Type"]
	return !named && h.Get("Content-Encoding") == "" && h.Get("Transfer-Encoding") == ""
}

// hasBody reports whether an answer with the status has a body (RFC 9110, section 6.4.1).
func hasBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
