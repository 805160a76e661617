package session_test

import (
	"math"
	"testing"
	"time"

	"github.com/lucia-go/lucia/session"
)

// Each row starts from a record that ends at 3300 s unless there is an activity, and at 32400 s in
// any case.
func TestActivityFollowsTheRule(t *testing.T) {
	t.Parallel()
	policy := rulePolicy
	policy.ByActivity = true
	rotates, stays := ruleRecord(5, at(-200)), ruleRecord(5, none)
	tests := []struct {
		name    string
		rec     session.Record
		p       session.Presentation
		now     session.Instant
		want    session.Outcome
		expires session.Instant
	}{
		{"rotated in the background", rotates, session.Presentation{Generation: 5}, t0, session.Rotated, at(3300)},
		{"current in the background", stays, session.Presentation{Generation: 5}, t0, session.Current, at(3300)},
		{"repeated in the background", stays, session.Presentation{Generation: 4}, t0, session.Repeated, at(3300)},
		{"adopted in the background", stays, session.Presentation{Generation: 6, ExpiresAt: at(3400)}, t0, session.Adopted, at(3400)},
		{"adopted, the record lives longer", stays, session.Presentation{Generation: 6, ExpiresAt: at(2000)}, t0, session.Adopted, at(3300)},
		{"adopted, the token has expired", stays, session.Presentation{Generation: 6, ExpiresAt: at(-1)}, t0, session.Adopted, at(3300)},
		{"adopted, of another policy", stays, session.Presentation{Generation: 6, ExpiresAt: at(9999)}, t0, session.Adopted, at(3600)},

		{"rotated, active now", rotates, session.Presentation{Generation: 5, Active: true}, t0, session.Rotated, at(3600)},
		{"current, active now", stays, session.Presentation{Generation: 5, Active: true}, t0, session.Current, at(3600)},
		{"repeated, active now", stays, session.Presentation{Generation: 4, Active: true}, t0, session.Repeated, at(3600)},
		{"adopted, active now", stays, session.Presentation{Generation: 6, Active: true}, t0, session.Adopted, at(3600)},
		{"reused, active now", stays, session.Presentation{Generation: 3, Active: true}, t0, session.Reused, 0},

		{"active a while ago", stays, activeAgo(100 * time.Second), t0, session.Current, at(3500)},
		{"parts of a millisecond", stays, activeAgo(1999 * time.Microsecond), t0, session.Current, at(3599.999)},
		{"active before the activity in the record", stays, activeAgo(301 * time.Second), t0, session.Current, at(3300)},
		{"active before the Unix epoch", stays, activeAgo(math.MaxInt64), t0, session.Current, at(3300)},
		{"active in the future", stays, activeAgo(-time.Hour), t0, session.Current, at(3600)},
		{"how long ago without an activity", stays, session.Presentation{Generation: 5, ActiveAgo: time.Second}, t0, session.Current, at(3300)},

		{"last millisecond", stays, activeAgo(0), at(3299.999), session.Current, at(3299.999 + 3600)},
		{"too late", stays, activeAgo(0), at(3300), session.Missing, 0},
		{"too late, active in time", stays, activeAgo(time.Minute), at(3300), session.Missing, 0},
		{"end of the lifetime", aged(stays, at(-9.5*3600)), activeAgo(0), t0, session.Current, at(1800)},
		{"policy became stricter", longer(stays), session.Presentation{Generation: 5}, t0, session.Current, at(3600)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			outcome, after := session.Refresh(tt.rec, tt.p, policy, tt.now)
			if outcome != tt.want || after.ExpiresAt != tt.expires {
				t.Errorf("Refresh = %v, expiring at %d; want %v, %d", outcome, after.ExpiresAt-t0, tt.want, tt.expires-t0)
			}
		})
	}
}

func activeAgo(ago time.Duration) session.Presentation {
	return session.Presentation{Generation: 5, Active: true, ActiveAgo: ago}
}

func longer(r session.Record) session.Record {
	r.ExpiresAt = at(1e7)
	return r
}

// Activity decides only when a session ends. Until then, outcomes, generations and confirmations
// are those of a policy without ByActivity. So what the explorer shows of rotation also holds with
// activity.
func TestActivityChangesOnlyTheExpiry(t *testing.T) {
	t.Parallel()
	byActivity := rulePolicy
	byActivity.ByActivity = true
	for n := range session.Generation(4) {
		for g := range session.Generation(6) {
			for _, confirmed := range []session.Instant{none, t0, at(-30), at(-45), at(-61)} {
				for _, handed := range []session.Instant{none, t0, at(-60)} {
					for _, active := range []bool{false, true} {
						rec := ruleRecord(n, confirmed)
						p := session.Presentation{Generation: g, IssuedAt: at(-100), ExpiresAt: at(2000), HandedAt: handed, Active: active}
						wantOutcome, want := session.Refresh(rec, p, rulePolicy, t0)
						outcome, got := session.Refresh(rec, p, byActivity, t0)
						got.ExpiresAt = want.ExpiresAt
						if outcome != wantOutcome || got != want {
							t.Errorf("generation %d, presented %+v: %v %+v, want %v %+v", n, p, outcome, got, wantOutcome, want)
						}
					}
				}
			}
		}
	}
}
