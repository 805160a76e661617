package sessiontest

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/lucia-go/lucia/session"
)

// step is a kind of step of a history. A step of greater weight occurs more often.
type step struct {
	weight int
	do     func(*history)
}

func stepsOf(lossy bool) []step {
	steps := []step{
		{30, (*history).refresh},
		{8, (*history).signIn},
		{15, (*history).confirm},
		{25, (*history).advance},
		{4, (*history).signOut},
		{1, (*history).revoke},
		{2, (*history).steal},
		{2, (*history).confuse},
	}
	if lossy {
		steps = append(steps, step{2, (*history).save}, step{2, (*history).lose})
	}
	return steps
}

// client returns a random client.
func (h *history) client() *client { return &h.clients[h.rng.IntN(len(h.clients))] }

// policy returns the policy of a call, which is mostly the history's own.
func (h *history) policy() session.Policy {
	if h.rng.IntN(8) == 0 {
		return pick(h, policies[:])
	}
	return policies[h.seed%uint64(len(policies))]
}

func pick[T any](h *history, from []T) T { return from[h.rng.IntN(len(from))] }

func (h *history) signIn() {
	c, user := h.client(), pick(h, h.users)
	creating := session.CreateParams{UserID: user, Policy: h.policy(), Max: 1 + h.rng.IntN(5), Refuse: h.rng.IntN(4) == 0}
	for i := range creating.ID {
		creating.ID[i] = byte(h.rng.Uint32())
	}
	if h.rng.IntN(8) == 0 { // repeat the call as if its reply had been lost
		creating.UserID, creating.ID = cmp.Or(c.user, user), c.id
	}
	creating.Details = detailsOf(creating.ID)
	for range h.rng.IntN(3) {
		creating.Former = append(creating.Former, h.client().id)
	}
	h.log("create session %v of user %s: %+v", creating.ID, creating.UserID, creating)
	var rec session.Record
	var created bool
	h.each(func(s Harness) error {
		if !h.virtual {
			h.now = h.clock(s)
		}
		r, err := s.Store.Create(h.Context(), creating)
		if err != nil {
			return err
		}
		at := h.now
		if rec, created = r.Record, r.Created(); created {
			h.tick(rec.CreatedAt)
			if want := session.Begin(creating.Policy, h.now); rec != want {
				h.failf("record created:\n got %+v\nwant %+v", rec, want)
			}
			at = rec.CreatedAt
		}
		ended, ok := h.model.makeRoom(creating, at)
		if ok != created && h.virtual || !sameIDs(ended, r.Ended) {
			h.failf("created: %v, ended %v; want %v, %v", created, r.Ended, ok, ended)
		}
		return nil
	})
	if created {
		h.model.create(creating, rec)
	}
	h.list(creating.UserID)
	if !created {
		return
	}
	*c = client{ref{creating.UserID, creating.ID}, []session.Presentation{handed(rec, h.now)}}
}

// handed is the refresh token of a record with its cookie, handed out now.
func handed(rec session.Record, now session.Instant) session.Presentation {
	p := presented(rec)
	p.HandedAt = now
	return p
}

// create applies a Create to the records.
func (m records) create(c session.CreateParams, rec session.Record) {
	of := m[c.UserID]
	if of == nil {
		of = make(map[session.ID]session.Record)
		m[c.UserID] = of
	}
	ended, _ := m.makeRoom(c, rec.CreatedAt)
	maps.DeleteFunc(of, func(_ session.ID, r session.Record) bool { return !r.Live(rec.CreatedAt) })
	for _, id := range ended {
		delete(of, id)
	}
	of[c.ID] = rec
}

// makeRoom applies [session.MakeRoom] to the records.
func (m records) makeRoom(c session.CreateParams, now session.Instant) (ended []session.ID, ok bool) {
	var live []session.Candidate
	for id, r := range m[c.UserID] {
		if r.Live(now) {
			live = append(live, session.Candidate{ID: id, IssuedAt: r.IssuedAt, ActorID: detailsOf(id).ActorID})
		}
	}
	return session.MakeRoom(live, c)
}

// detailsOf returns the details of a session of a history. They depend only on its id.
func detailsOf(id session.ID) (d session.Details) {
	if id[0]%2 == 0 {
		d.Label = labels[int(id[1])%len(labels)]
	}
	if id[0]%3 == 0 {
		d.Address = addresses[int(id[2])%len(addresses)]
	}
	if id[0]%5 == 0 {
		d.ActorID = actors[int(id[3])%len(actors)]
	}
	return d
}

func (h *history) refresh() {
	c := h.client()
	r := session.RefreshParams{
		UserID: c.user, ID: c.id, Presented: h.present(c), Policy: h.policy(), RevokeUser: h.rng.IntN(2) == 0,
	}
	h.log("refresh session %v of user %s with %+v, %+v, revoking the user: %v", c.id, c.user, r.Presented, r.Policy, r.RevokeUser)
	before := h.model[c.user][c.id]
	var got session.RefreshResult
	h.each(func(s Harness) (err error) {
		if got, err = s.Store.Refresh(h.Context(), r); err != nil {
			return err
		}
		h.tick(got.Now)
		want := session.RefreshResult{Now: got.Now}
		if want.Outcome, want.Record = session.Refresh(before, r.Presented, r.Policy, got.Now); got != want {
			h.failf("result of Refresh, the record before being %+v:\n got %+v\nwant %+v", before, got, want)
		}
		return nil
	})
	h.model.refreshed(r, got)
	if !got.Outcome.Alive() || h.rng.IntN(8) == 0 {
		h.list(c.user)
	}
	if got.Outcome.Alive() && h.rng.IntN(4) != 0 { // otherwise the answer is lost
		c.tokens = append(c.tokens, handed(got.Record, got.Now))
		if len(c.tokens) > 5 {
			c.tokens = slices.Delete(c.tokens, 0, 1)
		}
	}
}

// refreshed applies the result of a Refresh to the records.
func (m records) refreshed(r session.RefreshParams, got session.RefreshResult) {
	switch {
	case got.Outcome == session.Reused && r.RevokeUser:
		delete(m, r.UserID)
	case got.Record == session.Record{}:
		delete(m[r.UserID], r.ID)
	default:
		m[r.UserID][r.ID] = got.Record
	}
}

// present returns what the client presents: mostly its newest token.
func (h *history) present(c *client) (p session.Presentation) {
	if len(c.tokens) > 0 {
		p = c.tokens[len(c.tokens)-1]
	}
	switch h.rng.IntN(12) {
	case 0, 1, 2: // a token of a stale page or an old copy
		if len(c.tokens) > 0 {
			p = pick(h, c.tokens)
		}
	case 3: // the bearer token alone
		p.HandedAt = 0
	case 4: // a cookie at the boundary of having settled
		p.HandedAt = h.nearly(h.policy().Settle)
	case 5: // one that the store has lost, perhaps expired
		p.Generation += session.Generation(h.rng.IntN(3))
		p.ExpiresAt = h.nearly(0)
	}
	// A session that is refreshed at random gets an activity about every second time. The other
	// refreshes are background refreshes.
	switch h.rng.IntN(8) {
	case 0, 1:
		p.Active = true
	case 2, 3:
		p.Active, p.ActiveAgo = true, time.Duration(h.rng.IntN(60))*time.Millisecond
	case 4:
		p.Active, p.ActiveAgo = true, time.Duration(h.rng.Int64())-time.Hour
	}
	return p
}

// nearly returns a time that is d ago, or slightly earlier or later.
func (h *history) nearly(d time.Duration) session.Instant {
	return h.now.Add(-d) + session.Instant(h.rng.IntN(3)-1)
}

func (h *history) confirm() {
	c := h.client()
	p := h.present(c)
	confirming := session.ConfirmParams{
		UserID: c.user, ID: c.id, Generation: p.Generation, HandedAt: p.HandedAt, Policy: h.policy(),
	}
	h.log("confirm session %v of user %s: %+v", c.id, c.user, confirming)
	before := h.now
	h.each(func(s Harness) error { return s.Store.Confirm(h.Context(), confirming) })
	rec, exists := h.model[c.user][c.id]
	if h.virtual {
		if after, changed := session.Confirm(rec, p.Generation, p.HandedAt, confirming.Policy, h.now); changed {
			h.model[c.user][c.id] = after
		}
	} else if exists {
		h.confirmedBetween(c.ref, confirming, before)
	}
	h.list(c.user)
}

// confirmedBetween finds out what a Confirm did at some time between then and now, and checks it
// against the rule.
func (h *history) confirmedBetween(s ref, c session.ConfirmParams, then session.Instant) {
	h.Helper()
	rec := h.model[s.user][s.id]
	lists, err := h.stores[0].Store.List(h.Context(), s.user)
	if err != nil {
		h.failf("List: %v", err)
	}
	listed, ok := lists[s.id]
	if !ok {
		return // expired, or list reports it
	}
	got := listed.Record
	h.now = h.clock(h.stores[0])
	_, early := session.Confirm(rec, c.Generation, c.HandedAt, c.Policy, then)
	if got == rec && !early {
		return
	}
	at := got.ConfirmedAt
	want, changed := session.Confirm(rec, c.Generation, c.HandedAt, c.Policy, at)
	if !changed || got != want || at < then || at > h.now {
		h.failf("Confirm between %d and %d of record %+v:\n got %+v\nwant %+v", then, h.now, rec, got, want)
	}
	h.model[s.user][s.id] = got
}

// list compares the stores' lists of a user's sessions with the records.
func (h *history) list(user string) {
	h.Helper()
	h.each(func(s Harness) error {
		before := h.now
		live, err := s.Store.List(h.Context(), user)
		if err != nil {
			return err
		}
		if !h.virtual {
			h.now = h.clock(s)
		}
		for id, rec := range h.model[user] {
			got, ok := live[id]
			if ok && (got != session.Entry{Record: rec, Details: detailsOf(id)} || !rec.Live(before)) || !ok && rec.Live(h.now) {
				h.failf("session %v of user %s:\n got %+v\nwant %+v", id, user, got, rec)
			}
			delete(live, id)
		}
		if len(live) > 0 {
			h.failf("user %s has sessions that should not be: %v", user, live)
		}
		return nil
	})
}

func (h *history) signOut() {
	c := h.client()
	h.log("delete session %v of user %s", c.id, c.user)
	h.each(func(s Harness) error { return s.Store.Delete(h.Context(), c.user, c.id) })
	delete(h.model[c.user], c.id)
	h.list(c.user)
}

func (h *history) revoke() {
	user := pick(h, h.users)
	h.log("delete user %s", user)
	h.each(func(s Harness) error { return s.Store.DeleteUser(h.Context(), user) })
	delete(h.model, user)
	h.list(user)
}

// steal copies one client's tokens to another.
func (h *history) steal() {
	c := *h.client()
	c.tokens = slices.Clone(c.tokens)
	*h.client() = c
}

// confuse gives a client the session id or the user of another.
func (h *history) confuse() {
	c := h.client()
	if h.rng.IntN(2) == 0 {
		c.id = h.client().id
	} else {
		c.user = pick(h, h.users)
	}
}

func (h *history) save() {
	h.log("snapshot")
	h.restore = nil
	for _, s := range h.stores {
		h.restore = append(h.restore, s.Snapshot())
	}
	h.saved = h.model.clone()
}

func (h *history) lose() {
	if h.restore == nil {
		return
	}
	h.log("lose the writes since the snapshot")
	for _, restore := range h.restore {
		restore()
	}
	h.model = h.saved.clone()
	for _, user := range h.users {
		h.list(user)
	}
}

func (m records) clone() records {
	c := make(records, len(m))
	for user, of := range m {
		c[user] = maps.Clone(of)
	}
	return c
}
