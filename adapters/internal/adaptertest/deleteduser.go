package adaptertest

import (
	"bytes"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// testDeletedUser deletes a user. As long as LoadUser returns only its database's error, no session
// ends, and the log says what LoadUser must return.
func testDeletedUser(t *testing.T, h Harness) {
	log := new(bytes.Buffer)
	w := newWorld(t, h, func(c *middleware.Config[Profile]) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	b := w.browser()
	expired(b)
	w.loadErr = fmt.Errorf("users: %w", sql.ErrNoRows)
	resp, body := b.do("GET", "/private", "", navigation...)
	want(t, "status", resp.StatusCode, 503)
	want(t, "the person is told to try again", strings.Contains(body, "still signed in"), true)
	want(t, "cookies", effect(resp), kept)
	if lines := log.String(); !strings.Contains(lines, "ErrUserNotFound") {
		t.Errorf("the log does not say what LoadUser must return:\n%s", lines)
	}
	w.loadErr = fmt.Errorf("users: %w", session.ErrUserNotFound)
	resp, _ = b.do("GET", "/private", "", navigation...)
	want(t, "status", resp.StatusCode, 303)
	want(t, "Location", resp.Header.Get("Location"), "/login?next=%2Fprivate")
	want(t, "cookies", effect(resp), clearedTokens)
}
