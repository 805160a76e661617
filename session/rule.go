package session

import "time"

// Instant is a point in time on the store's clock, in whole milliseconds since
// the Unix epoch. The zero Instant means "none". It is a type of its own so
// that the store's clock, which alone decides rotation, grace and expiry, is
// never compared with an app's clock by accident.
type Instant int64

// InstantOf returns t as an Instant, cut to the millisecond; the zero Time gives
// the zero Instant.
func InstantOf(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.UnixMilli())
}

// Add returns the Instant d later, d cut to the millisecond.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d/time.Millisecond) }

// Sub returns the time from j to i.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i-j) * time.Millisecond }

// Time returns i as a time.Time; the zero Instant gives the zero Time.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(i))
}

// Generation numbers the refresh tokens of a session: the sign-in's is 1, each
// rotation adds one. At a rotation a second a session would run out of numbers
// after 136 years; it ends after Policy.Lifetime.
type Generation uint32

// FirstGeneration is the generation of the sign-in.
const FirstGeneration Generation = 1

// BoundGenerations is the least generation of a session that is bound to a key of its device. A
// bound refresh token is accepted only with a proof of that key. Bound generations are numbered
// in the same way, and are above all unbound ones: when the first of them is presented, the rule
// adopts it, and every unbound token of the session is from then on Reused.
const BoundGenerations Generation = 1 << 31

// Bound reports whether g is the generation of a session that is bound to a key.
func (g Generation) Bound() bool { return g >= BoundGenerations }

// Record is all that a store keeps of a session, beside its user and ID. It
// holds no secret: a refresh token names its session and generation and is
// signed, so that the token of any generation can be signed again. The zero
// Record (Generation 0) means that there is no record.
type Record struct {
	Generation  Generation // the current generation, n
	IssuedAt    Instant    // when n was made
	ConfirmedAt Instant    // when the browser was known to have n on disk; 0: not yet
	CreatedAt   Instant    // when the session began
	ExpiresAt   Instant    // when the session ends unless it is refreshed
}

// Live reports whether r is a record that has not expired.
func (r Record) Live(now Instant) bool { return r.Generation != 0 && now < r.ExpiresAt }

// Presentation is what a request presents of a session's refresh tokens: those
// that are genuine (our signature, the request's fingerprint) and of one
// session, folded into one.
type Presentation struct {
	// Generation is the highest generation among the bearer token and the
	// refresh cookie. (Without taking the maximum, a stale page beside a current
	// cookie would look like a thief.)
	Generation Generation
	// IssuedAt and ExpiresAt are those of the token of that generation. They
	// matter only where the store has lost that generation.
	IssuedAt, ExpiresAt Instant
	// HandedAt is when the refresh cookie of that generation was handed out, on
	// the store's clock, as sealed inside it. 0 where no cookie of that
	// generation was presented.
	HandedAt Instant
	// Active is whether the request shows that a person was active, and ActiveAgo how long before
	// the call. A background refresh shows no activity. Both matter only with Policy.ByActivity. A
	// negative ActiveAgo counts as 0, so no request can be of use later than now.
	Active    bool
	ActiveAgo time.Duration
}

// Policy is the set of durations that the rule works with, cut to the
// millisecond. The store is told it with every call and keeps none of it.
type Policy struct {
	// Grace is how long the previous generation is still answered after the
	// current one was confirmed: the longest that a request or answer may be
	// under way.
	Grace time.Duration
	// Settle is the age at which something handed out proves, by being used,
	// that the browser has it on disk. It covers the delay of an answer and the
	// writing to disk, for which browsers take up to 30 s; and a second delay, if
	// the requests of a browser that has crashed may still arrive.
	Settle time.Duration
	// Idle is how long a session lives after a rotation or its sign-in. With ByActivity it is how
	// long a session lives after its sign-in or the last activity of a person.
	Idle time.Duration
	// ByActivity makes Idle count from the last activity of a person. A refresh without activity
	// rotates the token as usual and does not extend the session.
	ByActivity bool
	// Lifetime is how long a session lives at most, however often it is
	// refreshed.
	Lifetime time.Duration
}

// expires returns when a session ends that began at created and was issued a
// token now.
func (p Policy) expires(created, now Instant) Instant {
	return min(now.Add(p.Idle), created.Add(p.Lifetime))
}

// extended returns when a session of rec ends after a request that presents p. With ByActivity an
// activity that is older than another one changes nothing, so the activities of several tabs
// combine in any order.
func (p Policy) extended(rec Record, presented Presentation, now Instant) Instant {
	limit := p.expires(rec.CreatedAt, now)
	if !p.ByActivity {
		return limit
	}
	ends := rec.ExpiresAt
	if presented.Active {
		ends = max(ends, now.Add(-max(presented.ActiveAgo, 0)).Add(p.Idle))
	}
	return min(ends, limit) // limit is earlier if the policy has become stricter
}

// settled reports whether something handed out at handed is, at now, surely on
// the browser's disk.
func (p Policy) settled(handed, now Instant) bool {
	return handed != 0 && now >= handed.Add(p.Settle)
}

// Outcome is what the rule says of a presented refresh token.
type Outcome uint8

const (
	// Missing: no live session, or a token from beyond what the store knows that has
	// itself expired. Nothing else is touched: signing out in one tab never hurts
	// another device.
	Missing Outcome = iota
	// Rotated: a new generation was made.
	Rotated
	// Current: the same generation again; its successor is made only after the
	// browser surely has this one.
	Current
	// Repeated: the predecessor was presented and the current generation is
	// handed out again: a lost answer, another tab, a request in flight.
	Repeated
	// Adopted: the store knew only an older generation. Only we sign tokens, so
	// it has lost its last writes; the presented generation stands.
	Adopted
	// Reused: a token was presented that an honest browser no longer has.
	Reused
)

// Alive reports whether the session goes on: every outcome but Missing and
// Reused.
func (o Outcome) Alive() bool { return o != Missing && o != Reused }

// String returns the outcome in lower case, as it stands in logs.
func (o Outcome) String() string {
	switch o {
	case Missing:
		return "missing"
	case Rotated:
		return "rotated"
	case Current:
		return "current"
	case Repeated:
		return "repeated"
	case Adopted:
		return "adopted"
	case Reused:
		return "reused"
	}
	return "invalid outcome"
}

// Begin returns the record of a session that begins now.
func Begin(policy Policy, now Instant) Record {
	return Record{
		Generation: FirstGeneration,
		IssuedAt:   now,
		CreatedAt:  now,
		ExpiresAt:  policy.expires(now, now),
	}
}

// Refresh is the rotation rule: what is to be answered to a presented refresh
// token and what the record becomes. rec is the zero Record where there is
// none; so is the result where no record is to remain. Every [Store] behaves
// as if it called Refresh in one atomic step, with its own clock as now. For
// Reused the store deletes as [RefreshParams.RevokeUser] says.
//
// The rule was explored to the last state of small worlds (explorer_test.go): as
// long as a request or answer is delayed no more than Grace, and Settle is as
// long as [Policy] says, no order of lost, repeated, delayed and reordered
// requests, of crashed browsers and of lost writes ends an honest session.
func Refresh(rec Record, p Presentation, policy Policy, now Instant) (Outcome, Record) {
	if !rec.Live(now) {
		return Missing, Record{}
	}
	n := rec.Generation
	switch {
	case p.Generation > n:
		return adopt(rec, p, policy, now)
	case p.Generation == n && mayRotate(rec, policy, now):
		rec.Generation++
		rec.IssuedAt, rec.ConfirmedAt = now, 0
		rec.ExpiresAt = policy.extended(rec, p, now)
		return Rotated, rec
	case p.Generation == n:
		if rec.ConfirmedAt == 0 && policy.settled(p.HandedAt, now) {
			rec.ConfirmedAt = now
		}
		return Current, active(rec, p, policy, now)
	case p.Generation == n-1 && p.Generation != 0 && (rec.ConfirmedAt == 0 || now <= rec.ConfirmedAt.Add(policy.Grace)):
		return Repeated, active(rec, p, policy, now)
	}
	return Reused, Record{}
}

// active extends a session that is not rotated, which only an activity does.
func active(rec Record, p Presentation, policy Policy, now Instant) Record {
	if policy.ByActivity {
		rec.ExpiresAt = policy.extended(rec, p, now)
	}
	return rec
}

// mayRotate reports whether the current generation may get a successor: the
// sign-in's has no predecessor that a browser could come back with, any other
// must have been confirmed long enough for what was under way to arrive.
func mayRotate(rec Record, policy Policy, now Instant) bool {
	return rec.Generation == FirstGeneration ||
		rec.ConfirmedAt != 0 && now > rec.ConfirmedAt.Add(policy.Grace).Add(policy.Grace)
}

func adopt(rec Record, p Presentation, policy Policy, now Instant) (Outcome, Record) {
	switch {
	case policy.ByActivity:
		// An activity since then may have extended the session without a new token.
		rec.ExpiresAt = max(rec.ExpiresAt, p.ExpiresAt)
		rec.ExpiresAt = policy.extended(rec, p, now)
	case now >= p.ExpiresAt:
		return Missing, rec
	default:
		rec.ExpiresAt = p.ExpiresAt
	}
	rec.Generation = p.Generation
	rec.IssuedAt, rec.ConfirmedAt = p.IssuedAt, 0
	if policy.settled(p.HandedAt, now) {
		rec.ConfirmedAt = now
	}
	return Adopted, rec
}

// Confirm is the other half of the rule: what the record becomes when an access
// token of generation g, handed out at handed, is seen in use. It reports
// whether the record changed. It never makes a record.
//
// handed is by the clock of the app that made the token. Nothing is handed out
// before it is made, so an app whose clock is behind confirms nothing early.
func Confirm(rec Record, g Generation, handed Instant, policy Policy, now Instant) (Record, bool) {
	if !rec.Live(now) || rec.Generation != g || rec.ConfirmedAt != 0 || handed == 0 {
		return rec, false
	}
	if !policy.settled(max(handed, rec.IssuedAt), now) {
		return rec, false
	}
	rec.ConfirmedAt = now
	return rec, true
}
