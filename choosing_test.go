package lucia_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/memstore"
)

// TestChoosingTheDurations checks the values of docs/choosing.md: New accepts them, and a session
// without a person lives no longer than the limit that they are for.
func TestChoosingTheDurations(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/choosing.md")
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	tests := []struct {
		row                                string // a part of the page that has the values
		access, refresh, lifetime, timeout time.Duration
		inactivity                         time.Duration // the figure; 0: none
	}{
		{"| 15 min | 365 d | 400 d | off | off |", 15 * time.Minute, 365 * day, 400 * day, 0, 0},
		{"| 15 min | 30 d | 90 d | off | on |", 15 * time.Minute, 30 * day, 90 * day, 0, 0},
		{"| 15 min | 12 h | 24 h | 1 h | on |", 15 * time.Minute, 12 * time.Hour, day, time.Hour, 0},
		{"| 5 min | 1 h | 12 h | 15 min | on |", 5 * time.Minute, time.Hour, 12 * time.Hour, 15 * time.Minute, 0},
		{"| 1 min | 1 h | 8 h | 5 min | on |", time.Minute, time.Hour, 8 * time.Hour, 5 * time.Minute, 0},
		{"`Lifetime: 12 * time.Hour`, `RefreshTTL: time.Hour`, `IdleTimeout: 24 * time.Minute`, `AccessTTL: 5 * time.Minute`: 29.5 minutes",
			5 * time.Minute, time.Hour, 12 * time.Hour, 24 * time.Minute, 30 * time.Minute},
		{"`Lifetime: 12 * time.Hour`, `RefreshTTL: time.Hour`, `IdleTimeout: 12 * time.Minute`, `AccessTTL: 2 * time.Minute`: 14.5 minutes",
			2 * time.Minute, time.Hour, 12 * time.Hour, 12 * time.Minute, 15 * time.Minute},
		{"`Lifetime: 24 * time.Hour`, `RefreshTTL: 2 * time.Hour`, `IdleTimeout: 50 * time.Minute`, `AccessTTL: 9 * time.Minute`: 59.5 minutes",
			9 * time.Minute, 2 * time.Hour, day, 50 * time.Minute, time.Hour},
	}
	for _, tt := range tests {
		if !strings.Contains(strings.Join(strings.Fields(string(page)), " "), tt.row) {
			t.Errorf("the page has no %q", tt.row)
		}
		_, err := lucia.New(lucia.Config[struct{}]{
			Secret: []byte(strings.Repeat("s", lucia.MinSecretBytes)), Store: memstore.New(),
			LoadUser:  func(context.Context, string) (struct{}, error) { return struct{}{}, nil },
			AccessTTL: tt.access, RefreshTTL: tt.refresh, Lifetime: tt.lifetime, IdleTimeout: tt.timeout,
		})
		if err != nil {
			t.Errorf("%q: %v", tt.row, err)
		}
		if longest := tt.timeout + tt.access + lucia.DefaultGrace; tt.inactivity != 0 && (longest > tt.inactivity || longest != tt.inactivity-30*time.Second) {
			t.Errorf("%q: a session without a person lives for %v", tt.row, longest)
		}
	}
}
