package sessiontest

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/lucia-go/lucia/session"
)

// slow is a policy whose durations do not pass while a case runs.
var slow = session.Policy{
	Grace:    time.Hour,
	Settle:   time.Hour,
	Idle:     24 * time.Hour,
	Lifetime: 240 * time.Hour,
}

// quick is slow without waiting: every token that is used counts as settled, and the next rotation
// may come one millisecond after a confirmation.
var quick = session.Policy{Idle: slow.Idle, Lifetime: slow.Lifetime}

// plenty is a cap that no case reaches by accident.
const plenty = 100

// env is what a case works with: a store, and helpers that fail the test if the store differs from
// the pure functions of package session.
type env struct {
	*testing.T
	Harness
	prefix string
}

func newEnv(t *testing.T, h Harness) *env {
	return &env{T: t, Harness: h, prefix: "sessiontest/" + rand.Text() + "/"}
}

// user returns a user id that no other case uses.
func (e *env) user(name string) string { return e.prefix + name }

// ref names a session.
type ref struct {
	user string
	id   session.ID
}

// now reads the store's clock.
func (e *env) now() session.Instant {
	e.Helper()
	r, err := e.Store.Refresh(e.Context(), session.RefreshParams{UserID: e.user("unknown"), Policy: slow})
	if err != nil {
		e.Fatalf("Refresh of an unknown user: %v", err)
	}
	return r.Now
}

// pass lets d pass on the store's clock: exactly d if the clock can be advanced, at least d
// otherwise.
func (e *env) pass(d time.Duration) {
	e.Helper()
	if e.Advance != nil {
		e.Advance(d)
		return
	}
	e.waitUntil(e.now().Add(d))
}

// waitUntil waits until a clock that cannot be advanced shows target.
func (e *env) waitUntil(target session.Instant) {
	e.Helper()
	for now := e.now(); now < target; now = e.now() {
		time.Sleep(target.Sub(now))
	}
}

// list returns the user's live sessions.
func (e *env) list(user string) map[session.ID]session.Record {
	e.Helper()
	live := make(map[session.ID]session.Record)
	for id, listed := range e.listed(user) {
		live[id] = listed.Record
	}
	return live
}

// listed returns the user's live sessions with their details.
func (e *env) listed(user string) map[session.ID]session.Entry {
	e.Helper()
	live, err := e.Store.List(e.Context(), user)
	if err != nil {
		e.Fatalf("List(%q): %v", user, err)
	}
	return live
}

// record returns the record of one session as List shows it.
func (e *env) record(s ref) session.Record {
	e.Helper()
	return e.list(s.user)[s.id]
}

// signIn creates a session with a random id.
func (e *env) signIn(user string, policy session.Policy) ref {
	e.Helper()
	s := ref{user, session.NewID()}
	e.create(s, policy, plenty)
	return s
}

// create creates a session and checks the record returned and stored.
func (e *env) create(s ref, policy session.Policy, maxSessions int) session.Record {
	e.Helper()
	r := e.begin(session.CreateParams{UserID: s.user, ID: s.id, Policy: policy, Max: maxSessions})
	if !r.Created() {
		e.Fatalf("Create refused a session without Refuse")
	}
	return r.Record
}

// begin calls Create and checks its result against MakeRoom, and what is stored.
func (e *env) begin(c session.CreateParams) session.CreateResult {
	e.Helper()
	before := e.listed(c.UserID)
	r, err := e.Store.Create(e.Context(), c)
	if err != nil {
		e.Fatalf("Create: %v", err)
	}
	live := make([]session.Candidate, 0, len(before))
	for id, s := range before {
		if !r.Created() || s.Live(r.Record.CreatedAt) {
			live = append(live, session.Candidate{ID: id, IssuedAt: s.IssuedAt, ActorID: s.ActorID})
		}
	}
	ended, ok := session.MakeRoom(live, c)
	if ok != r.Created() || !sameIDs(ended, r.Ended) {
		e.Fatalf("Create created: %v, ended %v; want %v, %v", r.Created(), r.Ended, ok, ended)
	}
	s := ref{c.UserID, c.ID}
	if !r.Created() {
		return r
	}
	e.same("record that Create returns", r.Record, session.Begin(c.Policy, r.Record.CreatedAt))
	e.stored(s, r.Record)
	if got, ok := e.listed(c.UserID)[c.ID]; ok {
		e.same("stored details", got.Details, c.Details)
	}
	return r
}

// sameIDs reports whether two lists have the same ids, in any order.
func sameIDs(a, b []session.ID) bool {
	sorted := func(ids []session.ID) []session.ID {
		return slices.SortedFunc(slices.Values(ids), func(x, y session.ID) int { return bytes.Compare(x[:], y[:]) })
	}
	return slices.Equal(sorted(a), sorted(b))
}

// refresh presents p and checks that the store follows the rule.
func (e *env) refresh(s ref, p session.Presentation, policy session.Policy, revokeUser bool) session.RefreshResult {
	e.Helper()
	before := e.record(s)
	r, err := e.Store.Refresh(e.Context(), session.RefreshParams{
		UserID: s.user, ID: s.id, Presented: p, Policy: policy, RevokeUser: revokeUser,
	})
	if err != nil {
		e.Fatalf("Refresh: %v", err)
	}
	outcome, after := session.Refresh(before, p, policy, r.Now)
	e.same("Refreshment", r, session.RefreshResult{Outcome: outcome, Record: after, Now: r.Now})
	e.stored(s, after)
	return r
}

// stored checks the record in the store. A record that has expired in the meantime is gone.
func (e *env) stored(s ref, want session.Record) {
	e.Helper()
	got := e.record(s)
	if got == (session.Record{}) && want != got && !want.Live(e.now()) {
		return
	}
	e.same("stored record", got, want)
}

// confirm calls Confirm. The caller checks the result.
func (e *env) confirm(s ref, g session.Generation, handed session.Instant, policy session.Policy) {
	e.Helper()
	err := e.Store.Confirm(e.Context(), session.ConfirmParams{
		UserID: s.user, ID: s.id, Generation: g, HandedAt: handed, Policy: policy,
	})
	if err != nil {
		e.Fatalf("Confirm: %v", err)
	}
}

func (e *env) delete(s ref) {
	e.Helper()
	if err := e.Store.Delete(e.Context(), s.user, s.id); err != nil {
		e.Fatalf("Delete: %v", err)
	}
}

func (e *env) deleteUser(user string) {
	e.Helper()
	if err := e.Store.DeleteUser(e.Context(), user); err != nil {
		e.Fatalf("DeleteUser: %v", err)
	}
}

// rotate takes a session one generation further and confirms it first if necessary.
func (e *env) rotate(s ref) session.Record {
	e.Helper()
	rec := e.confirmed(s)
	if rec.Generation != session.FirstGeneration {
		e.pass(time.Millisecond) // past twice the grace of quick, which is zero
	}
	r := e.refresh(s, presented(rec), quick, true)
	e.outcome(r, session.Rotated)
	return r.Record
}

// confirmed confirms the current generation. The sign-in's needs no confirmation.
func (e *env) confirmed(s ref) session.Record {
	e.Helper()
	rec := e.record(s)
	if rec.Generation > session.FirstGeneration && rec.ConfirmedAt == 0 {
		e.confirm(s, rec.Generation, rec.IssuedAt, quick)
		if rec = e.record(s); rec.ConfirmedAt == 0 {
			e.Fatalf("Confirm of a settled token left the record unconfirmed: %+v", rec)
		}
	}
	return rec
}

// reach returns a new session of the user at generation n.
func (e *env) reach(user string, n session.Generation) ref {
	e.Helper()
	s := e.signIn(user, slow)
	for e.record(s).Generation < n {
		e.rotate(s)
	}
	return s
}

// presented is what a request presents that has the current refresh token only as a bearer token.
func presented(rec session.Record) session.Presentation {
	return session.Presentation{Generation: rec.Generation, IssuedAt: rec.IssuedAt, ExpiresAt: rec.ExpiresAt}
}

func (e *env) outcome(r session.RefreshResult, want session.Outcome) {
	e.Helper()
	if r.Outcome != want {
		e.Fatalf("outcome = %v, want %v (record %+v, now %d)", r.Outcome, want, r.Record, r.Now)
	}
}

// alive checks that the user has exactly these live sessions.
func (e *env) alive(user string, want ...session.ID) {
	e.Helper()
	got := e.list(user)
	missing := make(map[session.ID]bool, len(want))
	for _, id := range want {
		if _, ok := got[id]; !ok {
			missing[id] = true
		}
		delete(got, id)
	}
	if len(missing) > 0 || len(got) > 0 {
		e.Fatalf("live sessions of %q: missing %v, unexpected %v", user, missing, got)
	}
}

// same compares two comparable values.
func (e *env) same(what string, got, want any) {
	e.Helper()
	if got != want {
		e.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// cancelled returns a context that has ended.
func (e *env) cancelled() context.Context {
	ctx, cancel := context.WithCancel(e.Context())
	cancel()
	return ctx
}
