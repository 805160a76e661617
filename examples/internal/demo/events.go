package demo

import (
	"fmt"
	"net/http"
	"time"

	"github.com/lucia-go/lucia"
)

// Events is a stream of events (Server-Sent Events, HTML Standard, section 9.2): the time, once a
// second, until the session ends, on whichever server that happens. It is behind Require.
func (s *Site) Events(auth *lucia.Auth[Profile]) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no") // otherwise nginx buffers the events
		stream := http.NewResponseController(w)
		// The server's read timeout would end a long response; a recorder has no deadlines.
		_ = stream.SetReadDeadline(time.Time{})
		if r.Method == http.MethodHead {
			return
		}
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		ended := auth.Ended(r.Context())
		for now := time.Now(); ; {
			fmt.Fprintf(w, "data: %s\n\n", now.Format(time.TimeOnly))
			if stream.Flush() != nil {
				return
			}
			select {
			case now = <-tick.C:
			case <-ended:
				fmt.Fprint(w, "event: ended\ndata: The session has ended.\n\n")
				return
			case <-r.Context().Done():
				return
			case <-s.stopping:
				return
			}
		}
	})
}
