package session

import "time"

// Instant is a point in time on the store's clock, in whole milliseconds since the Unix epoch. The
// zero Instant means "none". The store's clock alone decides rotation, grace and expiry. Instant is
// a type of its own so that a time of an app's clock is not compared with it by accident.
type Instant int64

// InstantOf returns t as an Instant, truncated to the millisecond. It returns the zero Instant for
// the zero Time.
func InstantOf(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.UnixMilli())
}

// Add returns the Instant that is d later. It truncates d to the millisecond.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d/time.Millisecond) }

// Sub returns the time from j to i.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i-j) * time.Millisecond }

// Time returns i as a time.Time. It returns the zero Time for the zero Instant.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(i))
}

// Generation is the number of a refresh token within its session. The sign-in's is 1, and each
// rotation adds one. At one rotation a second the numbers would last for 136 years, far longer than
// any Policy.Lifetime.
type Generation uint32

// FirstGeneration is the generation of a sign-in.
const FirstGeneration Generation = 1

// BoundGenerations is the smallest generation of a session that is bound to a key of its device. A
// bound refresh token is accepted only with a proof of that key. Rotation numbers bound generations
// like any others. They are greater than all unbound ones, so the rule adopts the first of them
// when it is presented, and from then on every unbound token of the session is Reused.
const BoundGenerations Generation = 1 << 31

// Bound reports whether g is the generation of a session that is bound to a key.
func (g Generation) Bound() bool { return g >= BoundGenerations }

// Record is what a store keeps of a session besides its user, ID and Details. It contains no
// secret: a refresh token is a signature over its session and generation, so the app can sign the
// token of any generation again. The zero Record (Generation 0) means that there is no record.
type Record struct {
	Generation  Generation // the current generation
	IssuedAt    Instant    // when the current generation was made
	ConfirmedAt Instant    // when the current generation was confirmed; 0: not yet
	CreatedAt   Instant    // when the session began
	ExpiresAt   Instant    // when the session ends unless it is refreshed
}

// Live reports whether r is a record and has not expired at now.
func (r Record) Live(now Instant) bool { return r.Generation != 0 && now < r.ExpiresAt }

// Presentation describes the refresh token that a request presents. It combines the bearer token
// and the refresh cookie, as far as they are genuine (signed by the app, with the request's
// fingerprint) and belong to one session.
type Presentation struct {
	// Generation is the highest generation of the bearer token and the refresh cookie. Without the
	// maximum, a stale page's bearer token beside a current cookie would count as reuse.
	Generation Generation
	// IssuedAt and ExpiresAt are those of the token of that generation. The rule uses them only if
	// the store has lost that generation.
	IssuedAt, ExpiresAt Instant
	// HandedAt is when the refresh cookie of that generation was handed out, on the store's clock.
	// The sealed cookie contains this time. It is 0 if no cookie of that generation was presented.
	HandedAt Instant
	// Active reports whether the request shows that a person was active, and ActiveAgo how long
	// before the call. A background refresh shows no activity. The rule uses both only with
	// Policy.ByActivity. A negative ActiveAgo counts as 0, so that no request can report an
	// activity in the future.
	Active    bool
	ActiveAgo time.Duration
}

// Policy is the set of durations that the rule uses, each truncated to the millisecond. Every call
// passes a policy to the store, and the store keeps none.
type Policy struct {
	// Grace is how long the previous generation is still accepted after the current one was
	// confirmed. It must cover the longest delay of a request or an answer.
	Grace time.Duration
	// Settle is the age from which something handed out proves, when it is used, that the browser
	// has it on disk. It must cover the delay of an answer and the time in which browsers write
	// cookies to disk, up to 30 s. It must cover a second delay if requests of a browser that has
	// crashed may still arrive.
	Settle time.Duration
	// Idle is how long a session lives after its sign-in or last rotation. With ByActivity it is
	// how long a session lives after its sign-in or the last activity of a person.
	Idle time.Duration
	// ByActivity makes Idle count from the last activity of a person. A refresh without activity
	// rotates the token as usual and does not extend the session.
	ByActivity bool
	// Lifetime is the longest that a session lives, however often it is refreshed.
	Lifetime time.Duration
}

// expires returns when a session ends that began at created and is issued a token at now.
func (p Policy) expires(created, now Instant) Instant {
	return min(now.Add(p.Idle), created.Add(p.Lifetime))
}

// extended returns when the session of rec ends after a request that presents presented. With
// ByActivity, an activity older than one already recorded changes nothing, so the activities of
// several tabs may arrive in any order.
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

// settled reports whether the browser surely has on its disk, at now, what was handed out at
// handed.
func (p Policy) settled(handed, now Instant) bool {
	return handed != 0 && now >= handed.Add(p.Settle)
}

// Outcome is the rule's verdict on a presented refresh token.
type Outcome uint8

const (
	// Missing: there is no live session, or the token is newer than the record and has itself
	// expired. Nothing is deleted, so signing out in one tab never affects another device.
	Missing Outcome = iota
	// Rotated: the store made a new generation.
	Rotated
	// Current: the current generation was presented and may not rotate yet. It rotates only once
	// the browser is known to have it on disk.
	Current
	// Repeated: the predecessor was presented, and the current generation is handed out again. An
	// answer was lost, or another tab or request came first.
	Repeated
	// Adopted: a generation newer than the record was presented. Only the app signs tokens, so the
	// store has lost its last writes. The record takes over the presented generation.
	Adopted
	// Reused: a token was presented that an honest browser no longer has. The session ends.
	Reused
)

// Alive reports whether the session goes on, which it does for every outcome except Missing and
// Reused.
func (o Outcome) Alive() bool { return o != Missing && o != Reused }

// String returns the outcome in lower case, as logs show it.
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

// Begin returns the record of a session that begins at now.
func Begin(policy Policy, now Instant) Record {
	return Record{
		Generation: FirstGeneration,
		IssuedAt:   now,
		CreatedAt:  now,
		ExpiresAt:  policy.expires(now, now),
	}
}

// Refresh is the rotation rule. It returns the outcome for a presented refresh token and what the
// record becomes. rec is the zero Record if there is none. The result is the zero Record if none
// remains. Every [Store] behaves as if it called Refresh in one atomic step, with its own clock as
// now. For Reused the store deletes what [RefreshParams.RevokeUser] says.
//
// A test explores the rule exhaustively in small worlds (explorer_test.go). It shows that no order
// of lost, repeated, delayed and reordered requests, of browser crashes and of lost writes ends an
// honest session, as long as no request or answer is delayed longer than Grace, and Settle is as
// long as [Policy] requires.
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

// active extends a session that is not rotated. Only an activity does that.
func active(rec Record, p Presentation, policy Policy, now Instant) Record {
	if policy.ByActivity {
		rec.ExpiresAt = policy.extended(rec, p, now)
	}
	return rec
}

// mayRotate reports whether the current generation may get a successor. The sign-in's generation
// always may, because it has no predecessor that a browser could present. Any other must have been
// confirmed so long ago that every request and answer under way then has arrived.
func mayRotate(rec Record, policy Policy, now Instant) bool {
	return rec.Generation == FirstGeneration ||
		rec.ConfirmedAt != 0 && now > rec.ConfirmedAt.Add(policy.Grace).Add(policy.Grace)
}

func adopt(rec Record, p Presentation, policy Policy, now Instant) (Outcome, Record) {
	switch {
	case policy.ByActivity:
		// An activity may have extended the session since then without a new token.
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

// Confirm is the second part of the rule. It returns what the record becomes when an access token
// of generation g, handed out at handed, is used, and reports whether the record changed. It never
// makes a record.
//
// handed is on the clock of the app that made the token. Confirm never takes it to be earlier than
// rec.IssuedAt, so an app whose clock is behind confirms nothing early.
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
