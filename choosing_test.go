package lucia_test

import (
	"context"
	"os"
	"strconv"
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
		{"`Lifetime: 12 * time.Hour`, `RefreshTTL: time.Hour`, `IdleTimeout: 23 * time.Minute`, `AccessTTL: 5 * time.Minute`: 29 minutes",
			5 * time.Minute, time.Hour, 12 * time.Hour, 23 * time.Minute, 30 * time.Minute},
		{"`Lifetime: 12 * time.Hour`, `RefreshTTL: time.Hour`, `IdleTimeout: 11 * time.Minute`, `AccessTTL: 2 * time.Minute`: 13.7 minutes",
			2 * time.Minute, time.Hour, 12 * time.Hour, 11 * time.Minute, 15 * time.Minute},
		{"`Lifetime: 24 * time.Hour`, `RefreshTTL: 2 * time.Hour`, `IdleTimeout: 49 * time.Minute`, `AccessTTL: 9 * time.Minute`: 59 minutes",
			9 * time.Minute, 2 * time.Hour, day, 49 * time.Minute, time.Hour},
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
		if tt.inactivity == 0 {
			continue
		}
		longest := tt.timeout + tt.access + lucia.DefaultGrace + min(tt.access/10, 30*time.Second) // the last is the leeway
		if figure := strconv.FormatFloat(longest.Minutes(), 'f', -1, 64) + " minutes"; !strings.HasSuffix(tt.row, " "+figure) {
			t.Errorf("%q: a session without a person lives for %s", tt.row, figure)
		}
		if longest > tt.inactivity-time.Minute {
			t.Errorf("%q: a session without a person lives for %v, want a minute less than %v", tt.row, longest, tt.inactivity)
		}
	}
}
