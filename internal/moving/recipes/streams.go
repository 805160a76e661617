package recipes

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/internal/moving/people"
)

// Events streams a line for each tick until the access token expires. EventSource then connects
// again, and that request is refreshed like any other, or gets a 401 if the session has ended.
func Events(auth *lucia.Auth[people.Profile], every time.Duration) http.Handler {
	return auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session := auth.Session(r.Context())
		ctx, cancel := context.WithDeadline(r.Context(), session.ExpiresAt)
		defer cancel()
		w.Header().Set("Content-Type", "text/event-stream")
		stream := http.NewResponseController(w)
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		for {
			fmt.Fprintf(w, "data: Hello, %s\n\n", session.User.Data.Name)
			if stream.Flush() != nil {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
			}
		}
	}))
}

// Socket echoes messages until the access token expires. The page connects again when it is
// closed. An upgrade is let in with an expired access token, too, while its session lives.
func Socket(auth *lucia.Auth[people.Profile]) http.Handler {
	return auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return // Accept has answered
		}
		defer conn.CloseNow()
		ctx, cancel := context.WithDeadline(r.Context(), auth.Session(r.Context()).ExpiresAt)
		defer cancel()
		for {
			kind, message, err := conn.Read(ctx)
			if err != nil {
				return
			}
			if conn.Write(ctx, kind, message) != nil {
				return
			}
		}
	}))
}
