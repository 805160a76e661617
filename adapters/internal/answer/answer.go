// Package answer lets an adapter hold back an answer of package middleware, so
// that a framework's own way of answering errors gets to see it.
package answer

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// Held is a ResponseWriter that keeps status and body and lets the header pass:
// Header is the answer's own. It is for answers that are small and whole, as
// those of Admit and WriteError are.
type Held struct {
	to     http.ResponseWriter
	begun  bool
	Status int
	Body   []byte
}

// Hold returns a Held in front of w. Its status is 200 until it is told another.
func Hold(w http.ResponseWriter) *Held { return &Held{to: w, Status: http.StatusOK} }

// Header implements http.ResponseWriter.
func (h *Held) Header() http.Header { return h.to.Header() }

// WriteHeader implements http.ResponseWriter. The first status counts.
func (h *Held) WriteHeader(status int) {
	if !h.begun && status >= http.StatusOK {
		h.begun, h.Status = true, status
	}
}

// Write implements http.ResponseWriter.
func (h *Held) Write(b []byte) (int, error) {
	h.begun = true
	h.Body = append(h.Body, b...)
	return len(b), nil
}

// Release writes the answer after all.
func (h *Held) Release() error {
	h.to.WriteHeader(h.Status)
	if len(h.Body) == 0 {
		return nil
	}
	_, err := h.to.Write(h.Body)
	return err
}

// Code returns the code of an answer that is an error in JSON as WriteError
// writes it. A redirect, a page, an empty answer and an error in the app's own form
// have none.
func (h *Held) Code() (session.Code, bool) {
	var body wire.ErrorBody
	if h.Status < http.StatusBadRequest || json.Unmarshal(h.Body, &body) != nil {
		return "", false
	}
	code, ok := session.ParseCode(body.Message)
	if whole, err := json.Marshal(body); !ok || err != nil || !bytes.Equal(whole, h.Body) {
		return "", false
	}
	return code, true
}
