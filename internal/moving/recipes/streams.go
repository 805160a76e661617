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

// Events streams a line for each tick until the session ends. EventSource then connects again, and
// gets a 401.
func Events(auth *lucia.Auth[people.Profile], every time.Duration) http.Handler {
	return auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := auth.Session(r.Context()).User.Data.Name
		w.Header().Set("Content-Type", "text/event-stream")
		stream := http.NewResponseController(w)
		ended := auth.Ended(r.Context())
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		for {
			fmt.Fprintf(w, "data: Hello, %s\n\n", name)
			if stream.Flush() != nil {
				return
			}
			select {
			case <-ended:
				return
			case <-r.Context().Done():
				return
			case <-ticks.C:
			}
		}
	}))
}

// Socket echoes messages until the session ends. An upgrade with an expired access token is
// accepted while its session lives.
func Socket(auth *lucia.Auth[people.Profile]) http.Handler {
	return auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return // Accept has answered
		}
		defer conn.CloseNow()
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go func() {
			select {
			case <-auth.Ended(ctx):
				conn.Close(websocket.StatusPolicyViolation, "signed out")
			case <-ctx.Done():
			}
		}()
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
