package session_test

import (
	"testing"
	"time"

	"github.com/lucia-go/lucia/session"
)

// The truth tables count seconds on a clock that shows t0.
const t0 session.Instant = 1_700_000_000_000

// at returns the instant s seconds after t0, or before it if s is negative. It has a resolution of
// milliseconds, so that a row can be on either side of a boundary.
func at(s float64) session.Instant { return t0 + session.Instant(s*1000) }

var rulePolicy = session.Policy{
	Grace: 30 * time.Second, Settle: 60 * time.Second, Idle: time.Hour, Lifetime: 10 * time.Hour,
}

// ruleRecord returns the record that a row starts from: generation n, made 300 s ago and confirmed
// at confirmed.
func ruleRecord(n session.Generation, confirmed session.Instant) session.Record {
	return session.Record{
		Generation: n, IssuedAt: at(-300), ConfirmedAt: confirmed, CreatedAt: at(-3600), ExpiresAt: at(3300),
	}
}

const none session.Instant = 0

func TestRefreshFollowsTheRule(t *testing.T) {
	t.Parallel()
	rotated := func(r *session.Record) {
		*r = session.Record{Generation: r.Generation + 1, IssuedAt: t0, CreatedAt: r.CreatedAt, ExpiresAt: at(3600)}
	}
	confirmed := func(r *session.Record) { r.ConfirmedAt = t0 }
	adopted := func(g session.Generation, confirmed session.Instant) func(*session.Record) {
		return func(r *session.Record) {
			r.Generation, r.IssuedAt, r.ExpiresAt, r.ConfirmedAt = g, at(-100), at(2000), confirmed
		}
	}
	unchanged := func(*session.Record) {}
	gone := func(r *session.Record) { *r = session.Record{} }

	tests := []struct {
		name      string
		n         session.Generation // of the record
		confirmed session.Instant
		g         session.Generation // presented
		handed    session.Instant    // of the cookie
		want      session.Outcome
		after     func(*session.Record)
	}{
		{"sign-in's token", 1, none, 1, none, session.Rotated, rotated},
		{"sign-in's token, confirmed a moment ago", 1, t0, 1, none, session.Rotated, rotated},
		{"sign-in's token, settled", 1, none, 1, at(-300), session.Rotated, rotated},

		{"current, unconfirmed", 5, none, 5, none, session.Current, unchanged},
		{"current, cookie just handed out", 5, none, 5, t0, session.Current, unchanged},
		{"current, cookie a millisecond short of settled", 5, none, 5, at(-59.999), session.Current, unchanged},
		{"current, cookie just settled", 5, none, 5, at(-60), session.Current, confirmed},
		{"current, cookie long settled", 5, none, 5, at(-300), session.Current, confirmed},
		{"current, cookie of the future", 5, none, 5, at(60), session.Current, unchanged},
		{"current, just confirmed", 5, t0, 5, none, session.Current, unchanged},
		{"current, confirmed before, cookie settled", 5, at(-10), 5, at(-300), session.Current, unchanged},
		{"current, confirmed twice grace ago", 5, at(-60), 5, none, session.Current, unchanged},
		{"current, confirmed a millisecond more than twice grace ago", 5, at(-60.001), 5, none, session.Rotated, rotated},
		{"current, confirmed long ago, cookie settled", 5, at(-200), 5, at(-300), session.Rotated, rotated},
		{"current, confirmed in the future", 5, at(60), 5, none, session.Current, unchanged},

		{"predecessor, unconfirmed", 5, none, 4, none, session.Repeated, unchanged},
		{"predecessor, unconfirmed, cookie settled", 5, none, 4, at(-300), session.Repeated, unchanged},
		{"predecessor, just confirmed", 5, t0, 4, none, session.Repeated, unchanged},
		{"predecessor, confirmed grace ago", 5, at(-30), 4, none, session.Repeated, unchanged},
		{"predecessor, confirmed a millisecond more than grace ago", 5, at(-30.001), 4, none, session.Reused, gone},
		{"sign-in's token as predecessor", 2, none, 1, none, session.Repeated, unchanged},
		{"sign-in's token as predecessor, too late", 2, at(-31), 1, at(-300), session.Reused, gone},

		{"older, unconfirmed", 5, none, 3, none, session.Reused, gone},
		{"older, just confirmed", 5, t0, 3, at(-300), session.Reused, gone},
		{"sign-in's token, long gone", 5, none, 1, none, session.Reused, gone},
		{"no generation", 5, none, 0, none, session.Reused, gone},
		{"no generation, at the sign-in's", 1, none, 0, none, session.Reused, gone},

		{"lost generation", 5, none, 6, none, session.Adopted, adopted(6, none)},
		{"lost generations", 5, at(-200), 8, none, session.Adopted, adopted(8, none)},
		{"lost generation, just confirmed", 5, t0, 6, at(-59.999), session.Adopted, adopted(6, none)},
		{"lost generation, cookie settled", 5, none, 6, at(-60), session.Adopted, adopted(6, t0)},
		{"lost generation of the sign-in's", 1, none, 2, at(-300), session.Adopted, adopted(2, t0)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := ruleRecord(tt.n, tt.confirmed)
			p := session.Presentation{Generation: tt.g, IssuedAt: at(-100), ExpiresAt: at(2000), HandedAt: tt.handed}
			want := before
			tt.after(&want)
			outcome, after := session.Refresh(before, p, rulePolicy, t0)
			if outcome != tt.want || after != want {
				t.Errorf("Refresh:\n got %v, %+v\nwant %v, %+v", outcome, after, tt.want, want)
			}
		})
	}
}

func TestRefreshAndExpiry(t *testing.T) {
	t.Parallel()
	// Each row starts from a record that began at -3600 s and expires at 3300 s.
	record := ruleRecord(5, at(-200))
	lost := session.Presentation{Generation: 6, IssuedAt: at(-100), ExpiresAt: at(2000)}
	current := session.Presentation{Generation: 5, IssuedAt: at(-300), ExpiresAt: at(3300)}
	tests := []struct {
		name    string
		rec     session.Record
		p       session.Presentation
		now     session.Instant
		want    session.Outcome
		expires session.Instant
	}{
		{"no record", session.Record{}, current, t0, session.Missing, 0},
		{"no record, lost generation", session.Record{}, lost, t0, session.Missing, 0},
		{"last millisecond", record, current, at(3299.999), session.Rotated, at(3299.999 + 3600)},
		{"expired", record, current, at(3300), session.Missing, 0},
		{"expired, old token", record, session.Presentation{Generation: 1}, at(3300), session.Missing, 0},
		{"expired, lost generation lives", record, session.Presentation{Generation: 6, ExpiresAt: at(9999)}, at(3300), session.Missing, 0},
		{"lost generation's last millisecond", record, lost, at(1999.999), session.Adopted, at(2000)},
		{"lost generation expired, record stays", record, lost, at(2000), session.Missing, at(3300)},
		{"lost generation without expiry, record stays", record, session.Presentation{Generation: 6}, t0, session.Missing, at(3300)},
		{"token without times", record, session.Presentation{Generation: 5}, t0, session.Rotated, at(3600)},
		{"end of the lifetime", aged(record, at(-9.5*3600)), current, t0, session.Rotated, at(1800)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			outcome, after := session.Refresh(tt.rec, tt.p, rulePolicy, tt.now)
			if outcome != tt.want || after.ExpiresAt != tt.expires {
				t.Errorf("Refresh = %v, expiring at %d; want %v, %d", outcome, after.ExpiresAt-t0, tt.want, tt.expires-t0)
			}
		})
	}
}

func aged(r session.Record, created session.Instant) session.Record {
	r.CreatedAt = created
	return r
}

func TestConfirmFollowsTheRule(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		rec    session.Record
		g      session.Generation
		handed session.Instant
		now    session.Instant
		want   bool
	}{
		{"settled", ruleRecord(5, none), 5, at(-300), t0, true},
		{"just settled", ruleRecord(5, none), 5, at(-60), t0, true},
		{"a millisecond short of settled", ruleRecord(5, none), 5, at(-59.999), t0, false},
		{"of the future", ruleRecord(5, none), 5, at(60), t0, false},
		{"never handed out", ruleRecord(5, none), 5, none, t0, false},
		{"handed out before it was issued, by a clock that is behind", ruleRecord(5, none), 5, at(-900), at(-241), false},
		{"the same, once it can have settled", ruleRecord(5, none), 5, at(-900), at(-240), true},
		{"confirmed before", ruleRecord(5, at(-10)), 5, at(-300), t0, false},
		{"older generation", ruleRecord(5, none), 4, at(-300), t0, false},
		{"lost generation", ruleRecord(5, none), 6, at(-300), t0, false},
		{"sign-in's generation", ruleRecord(1, none), 1, at(-300), t0, true},
		{"last millisecond", ruleRecord(5, none), 5, at(-300), at(3299.999), true},
		{"expired", ruleRecord(5, none), 5, at(-300), at(3300), false},
		{"no record", session.Record{}, 5, at(-300), t0, false},
		{"no record, no generation", session.Record{}, 0, at(-300), t0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := tt.rec
			if tt.want {
				want.ConfirmedAt = tt.now
			}
			after, changed := session.Confirm(tt.rec, tt.g, tt.handed, rulePolicy, tt.now)
			if changed != tt.want || after != want {
				t.Errorf("Confirm:\n got %+v, %v\nwant %+v, %v", after, changed, want, tt.want)
			}
		})
	}
}

func TestBeginIsBoundedByTheShorter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		idle, lifetime time.Duration
		want           session.Instant
	}{
		{"idle", time.Hour, 10 * time.Hour, at(3600)},
		{"lifetime", time.Hour, time.Minute, at(60)},
		{"parts of a millisecond", 1999 * time.Microsecond, time.Hour, t0 + 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := session.Begin(session.Policy{Idle: tt.idle, Lifetime: tt.lifetime}, t0)
			want := session.Record{Generation: 1, IssuedAt: t0, CreatedAt: t0, ExpiresAt: tt.want}
			if got != want {
				t.Errorf("Begin = %+v, want %+v", got, want)
			}
		})
	}
}

// Durations are truncated to the millisecond before they are doubled.
func TestGraceIsCutBeforeItIsDoubled(t *testing.T) {
	t.Parallel()
	policy := rulePolicy
	policy.Grace = 1500 * time.Microsecond
	for age, want := range map[session.Instant]session.Outcome{2: session.Current, 3: session.Rotated} {
		rec := ruleRecord(5, t0-age)
		if got, _ := session.Refresh(rec, session.Presentation{Generation: 5}, policy, t0); got != want {
			t.Errorf("confirmed %d ms ago: %v, want %v", age, got, want)
		}
	}
}

func TestOutcomesThatKeepTheSession(t *testing.T) {
	t.Parallel()
	for o, want := range map[session.Outcome]struct {
		name  string
		alive bool
	}{
		session.Missing:    {"missing", false},
		session.Rotated:    {"rotated", true},
		session.Current:    {"current", true},
		session.Repeated:   {"repeated", true},
		session.Adopted:    {"adopted", true},
		session.Reused:     {"reused", false},
		session.Reused + 1: {"invalid outcome", true},
	} {
		if o <= session.Reused && o.Alive() != want.alive || o.String() != want.name {
			t.Errorf("outcome %d: %v, alive %v; want %+v", o, o, o.Alive(), want)
		}
	}
}

func TestInstantsAreTimesAndBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		time    time.Time
		instant session.Instant
	}{
		{time.Time{}, 0},
		{time.UnixMilli(int64(t0)), t0},
		{time.UnixMilli(-1), -1},
	} {
		if got := session.InstantOf(c.time); got != c.instant || !got.Time().Equal(c.time) {
			t.Errorf("%v is %d and then %v, want %d", c.time, got, got.Time(), c.instant)
		}
	}
}
