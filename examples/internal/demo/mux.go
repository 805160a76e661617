package demo

import "net/http"

// WithErrorPages answers like mux but shows the page of an error, ErrNotFound or ErrMethod,
// instead of mux's line of text.
func WithErrorPages(mux *http.ServeMux, page func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		unseen := &head{header: http.Header{}}
		own.ServeHTTP(unseen, r)
		switch unseen.status {
		case http.StatusNotFound:
			page(w, r, ErrNotFound)
		case http.StatusMethodNotAllowed:
			w.Header()["Allow"] = unseen.header["Allow"]
			page(w, r, ErrMethod)
		default: // a redirect to the clean path
			own.ServeHTTP(w, r)
		}
	})
}

// head is a ResponseWriter that records only the head of an answer, which is discarded.
type head struct {
	header http.Header
	status int
}

func (h *head) Header() http.Header         { return h.header }
func (h *head) WriteHeader(status int)      { h.status = status }
func (h *head) Write(b []byte) (int, error) { return len(b), nil }
