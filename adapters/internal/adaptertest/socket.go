package adaptertest

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
)

// testSockets lets a WebSocket reconnect for hours after its access token has expired. Libraries
// that write the response to the upgrade themselves drop its cookies, so none is set, and the
// browser's cookies remain valid.
func testSockets(t *testing.T, h Harness) {
	log := new(bytes.Buffer)
	w := newWorld(t, h, func(c *middleware.Config[Profile]) {
		c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	b := w.browser().signIn("u1")
	time.Sleep(16 * time.Minute)
	calls := w.store.calls.Load()
	for range 50 {
		resp, body := b.do("GET", "/private", "", websocket.and("Sec-Fetch-Site", "same-origin")...)
		want(t, "status", resp.StatusCode, 200)
		want(t, "body", body, "u1 current")
		want(t, "cookies", effect(resp), kept)
		time.Sleep(time.Minute)
	}
	want(t, "store calls", w.store.calls.Load()-calls, 50)
	_, body := b.do("GET", "/who", "", navigation...)
	want(t, "the next page", body, "u1 refreshed")

	// The response to a refresh is lost, and the socket reconnects first.
	time.Sleep(3 * time.Minute)
	b.do("GET", "/who", "", navigation...) // shows that the browser has the new token
	synctest.Wait()
	time.Sleep(16 * time.Minute)
	lost := b.request("GET", "/who", "", navigation...)
	b.send(lost)
	resp, _ := b.do("GET", "/private", "", websocket...)
	want(t, "status while the answer is under way", resp.StatusCode, 200)
	for range 10 {
		time.Sleep(time.Minute)
		resp, _ = b.do("GET", "/private", "", websocket...)
		want(t, "status when it is lost", resp.StatusCode, 401)
		want(t, "cookies", effect(resp), kept)
	}
	if log.Len() > 0 {
		t.Errorf("the log has warnings:\n%s", log)
	}
	resp, body = b.do("GET", "/who", "", navigation...)
	want(t, "the next page", body, "u1 repeated")
	want(t, "cookies", effect(resp), renewed)
	resp, _ = b.do("GET", "/private", "", websocket...)
	want(t, "status after that", resp.StatusCode, 200)
	synctest.Wait()

	w.store.down.Store(true)
	time.Sleep(16 * time.Minute)
	resp, _ = b.do("GET", "/private", "", websocket...)
	want(t, "status while the store is down", resp.StatusCode, 503)
}
