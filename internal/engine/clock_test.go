package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// shifted is a store whose clock is ahead of the app's by a duration. To the app, its own clock
// seems to be behind.
type shifted struct {
	session.Store
	ahead time.Duration
}

func shift(d time.Duration, instants ...*session.Instant) {
	for _, i := range instants {
		if *i != 0 {
			*i = i.Add(d)
		}
	}
}

func (s shifted) out(r *session.Record) {
	shift(s.ahead, &r.IssuedAt, &r.ConfirmedAt, &r.CreatedAt, &r.ExpiresAt)
}

func (s shifted) Create(ctx context.Context, c session.CreateParams) (session.CreateResult, error) {
	r, err := s.Store.Create(ctx, c)
	s.out(&r.Record)
	return r, err
}

func (s shifted) Refresh(ctx context.Context, r session.RefreshParams) (session.RefreshResult, error) {
	shift(-s.ahead, &r.Presented.IssuedAt, &r.Presented.ExpiresAt, &r.Presented.HandedAt)
	step, err := s.Store.Refresh(ctx, r)
	shift(s.ahead, &step.Now)
	s.out(&step.Record)
	return step, err
}

func (s shifted) Confirm(ctx context.Context, c session.ConfirmParams) error {
	shift(-s.ahead, &c.HandedAt)
	return s.Store.Confirm(ctx, c)
}

// A wrong app clock causes refreshes and never ends a session. People browse for a day, some
// responses are lost, and the processes have wrong clocks.
func TestWrongAppClockNeverCostsASession(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{
		0, 20 * time.Second, -20 * time.Second, 5 * time.Minute, -5 * time.Minute, time.Hour, -time.Hour, 24 * 365 * time.Hour, -24 * 365 * time.Hour,
	} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				inner := memstore.New()
				m := newEngine(t, func(c *engine.Config[profile]) { c.Store = shifted{inner, ahead} })
				j := signIn(t, m, "u1")
				refreshes, confirmed := 0, 0
				for minute := range 24 * 60 {
					time.Sleep(time.Minute)
					if verdict(m, j) == nil {
						continue
					}
					if refreshes++; refreshes%3 == 0 {
						lost := j
						if o, err := lost.refresh(t, m); err != nil {
							t.Fatalf("minute %d, answer lost: %v, %v", minute, o, err)
						}
						time.Sleep(20 * time.Second)
					}
					o, err := j.refresh(t, m)
					if err != nil {
						t.Fatalf("minute %d: %v, %v", minute, o, err)
					}
					if o == session.Rotated {
						confirmed++
					}
				}
				if refreshes < 80 || confirmed < 20 {
					t.Errorf("%d refreshes, %d rotations in a day", refreshes, confirmed)
				}
			})
		})
	}
}

// Two processes share a store, and the clock of one is wrong by minutes. Tokens of each are used
// alternately at the other.
func TestProcessesWhoseClocksDifferShareSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		right := newEngine(t, func(c *engine.Config[profile]) { c.Store = store })
		wrong := newEngine(t, func(c *engine.Config[profile]) { c.Store, c.Secret = shifted{store, -7 * time.Minute}, testSecret })
		j := signIn(t, right, "u1")
		for i := range 200 {
			m := []*engine.Engine[profile]{right, wrong}[i%2]
			time.Sleep(5 * time.Minute)
			if verdict(m, j) != nil {
				if o, err := j.refresh(t, m); err != nil {
					t.Fatalf("%d: %v, %v", i, o, err)
				}
			}
		}
	})
}
