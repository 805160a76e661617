package session_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lucia-go/lucia/session"
)

// idleWorld is what the explorer of idle ends explores: one session whose life counts from the
// last activity of a person, and a browser with two tabs. Time passes in ticks, as in world.
//
// The server gets to know of an activity in three ways. A page view or form that refreshes is one.
// The browser module of a tab reports when a person was last active there, with a refresh. A page
// view with a valid access token never reaches the store: it is accepted without a refresh if
// the token knows of an activity less than ttl ago, and refreshes otherwise.
//
// A person who is active is promised that the session lives for idle from then, or shorter where
// promise says so. An activity after the end of the last promise renews it only once the server
// has accepted it.
type idleWorld struct {
	idle          uint8 // Config.IdleTimeout
	promise       uint8 // how long the session lives after an activity, at least; 0: idle
	ttl           uint8 // Config.AccessTTL
	grace, settle uint8 // of the policy
	delay         uint8 // a request or an answer is under way that long, or shorter
	disk          uint8 // a changed cookie jar is on disk after that long, or sooner
	losses        uint8 // how often the store may lose its last write
	// tabs and flights are how many of them there are, at most two. Without crashes the browser
	// does not crash; without confirms no generation is confirmed, so that there are only two.
	tabs, flights     int
	crashes, confirms bool

	idleRule
	outcomes [session.Reused + 1]int // how often each came out
	views    int                     // page views that never reached the store
	ends     int                     // sessions that ended because no person was active
}

// idleRule is the rule with the parts around it that an idle end needs. The zero idleRule is the
// real one; each field takes a part away.
type idleRule struct {
	refresh     func(session.Record, session.Presentation, session.Policy, session.Instant) (session.Outcome, session.Record)
	noTTL       bool // the policy's Idle leaves out the life of an access token
	noGrace     bool // the policy's Idle leaves out the delay of a request
	blindViews  bool // a valid access token is enough for a page view, whatever it knows
	lateReports bool // the module reports an activity with its next refresh only
	allActive   bool // a background refresh counts as an activity
}

// idleState is all that matters for what can happen next. Times are ticks: ages up to where they
// make no difference any more, or what is left of something.
type idleState struct {
	rec, before idleRecord // before: as it was before the last write
	losses      uint8
	jar, disk   idleJar
	dirty       uint8 // 0: disk is jar; else for how long it has not been, plus 1
	tabs        [2]idleTab
	flights     [2]idleFlight
	promised    uint8 // left of the promise for activities that the server has accepted
	quiet       uint8 // since a person was last active
}

type idleRecord struct {
	gen       uint8 // 0: the session has ended
	confirmed uint8 // 0: not; else for how long, plus 1
	left      uint8 // until ExpiresAt
}

// idleToken is a refresh token in a cookie: its generation, for how long it has been handed out,
// and what is left until its own expiry.
type idleToken struct{ gen, age, left uint8 }

// idleAccess is an access token, and how long ago the last activity was that it knows of.
type idleAccess struct{ gen, age, left, since uint8 }

type idleJar struct {
	refresh idleToken
	access  idleAccess
}

// idleTab is what the module of a tab remembers.
type idleTab struct {
	since    uint8 // 0: no activity; else how long ago, plus 1
	owed     uint8 // 0: nothing to report; else for how long, plus 1
	reported uint8 // since the last activity that was reported, up to half of idle
	promised uint8 // left of the promise for activities that were not reported yet
}

// idleFlight is a request on its way to the server, or the answer on its way back.
type idleFlight struct {
	phase  uint8 // free, request or answer
	age    uint8
	cookie idleToken
	active uint8 // of the request: 0: no activity; else how long ago, plus 1
	next   idleJar
	sets   bool // the answer sets the refresh cookie
}

func (w *idleWorld) start() idleState {
	first := idleJar{idleToken{gen: 1, left: w.life()}, idleAccess{gen: 1, left: w.ttl}}
	return idleState{
		rec: idleRecord{gen: 1, left: w.life()}, losses: w.losses, jar: first, disk: first, promised: w.promised(),
	}
}

// life is the policy's Idle.
func (w *idleWorld) life() uint8 {
	life := w.idle
	if !w.noTTL {
		life += w.ttl
	}
	if !w.noGrace {
		life += w.grace
	}
	return life
}

func (w *idleWorld) promised() uint8 {
	if w.promise != 0 {
		return w.promise
	}
	return w.idle
}

func (s *idleState) anyPromise() uint8 {
	return max(s.promised, s.tabs[0].promised, s.tabs[1].promised)
}

// judge asks the rule about a request.
func (w *idleWorld) judge(r idleRecord, f idleFlight) (session.Outcome, idleRecord) {
	rec := session.Record{Generation: session.Generation(r.gen), IssuedAt: 1, CreatedAt: 1}
	if r.gen != 0 {
		rec.ExpiresAt = ahead(r.left)
	}
	if r.confirmed > 0 {
		rec.ConfirmedAt = ago(r.confirmed - 1)
	}
	p := session.Presentation{
		Generation: session.Generation(f.cookie.gen), IssuedAt: 1, ExpiresAt: ahead(f.cookie.left), HandedAt: ago(f.cookie.age),
		Active: f.active > 0 || w.allActive,
	}
	if f.active > 0 {
		p.ActiveAgo = time.Duration(f.active-1) * tick
	}
	policy := session.Policy{
		Grace: time.Duration(w.grace) * tick, Settle: time.Duration(w.settle) * tick,
		Idle: time.Duration(w.life()) * tick, ByActivity: true, Lifetime: math.MaxInt64,
	}
	refresh := session.Refresh
	if w.refresh != nil {
		refresh = w.refresh
	}
	outcome, after := refresh(rec, p, policy, now)
	w.outcomes[outcome]++
	small := idleRecord{gen: uint8(after.Generation)}
	if small.gen != 0 {
		small.left = uint8(after.ExpiresAt.Sub(now) / tick)
	}
	if after.ConfirmedAt != 0 {
		small.confirmed = uint8(now.Sub(after.ConfirmedAt)/tick) + 1
	}
	return outcome, small
}

func ahead(left uint8) session.Instant { return now.Add(time.Duration(left) * tick) }

// idleMove is called for everything that can happen, with the state after it and what is wrong.
type idleMove func(name string, next idleState, wrong string)

func (w *idleWorld) moves(s idleState, emit idleMove) {
	if s.rec.gen == 0 {
		return // ended: no request makes a record (explorer_test.go)
	}
	w.pass(s, emit)
	if s.dirty > 0 && w.crashes {
		next := s
		next.disk, next.dirty = s.jar, 0
		emit("the browser writes its cookies to disk", next, "")
	}
	if w.crashes {
		w.crash(s, emit)
	}
	w.view(s, emit)
	w.send(s, "a script refreshes in the background", 0, nil, emit)
	for i := range w.tabs {
		w.tab(s, i, emit)
	}
	if a := s.jar.access; w.confirms && a.left > 0 && a.gen == s.rec.gen && s.rec.confirmed == 0 && a.gen > 1 && a.age >= w.settle {
		next := s
		next.rec.confirmed = 1
		emit("the access token in use confirms its generation", next, "")
	}
	if s.losses > 0 && s.before.gen != 0 {
		next := s
		next.rec, next.before = s.before, idleRecord{}
		next.losses--
		emit("the store loses its last write", next, "")
	}
	for i := range s.flights {
		switch s.flights[i].phase {
		case request:
			w.process(s, i, emit)
		case answer:
			w.answer(s, i, emit)
		}
	}
}

func (w *idleWorld) crash(s idleState, emit idleMove) {
	next := s
	next.jar, next.dirty, next.tabs, next.flights = s.disk, 0, [2]idleTab{}, [2]idleFlight{}
	emit("the browser crashes and comes back with the cookies on disk", next, "")
}

// view is a page view or a form.
func (w *idleWorld) view(s idleState, emit idleMove) {
	a := s.jar.access
	if a.left == 0 || a.since >= w.ttl && !w.blindViews {
		w.send(s, "a person opens a page, which refreshes", 1, func(next *idleState) { next.quiet = 0 }, emit)
		return
	}
	w.views++
	next := s
	next.quiet = 0
	if s.anyPromise() > 0 {
		next.promised = w.promised()
	}
	emit("a person opens a page with a valid access token", next, "")
}

// tab is what happens in a tab: a person is active there, the module refreshes with or without a
// need, or the tab is put to sleep. What it did not report by then is promised nothing.
func (w *idleWorld) tab(s idleState, i int, emit idleMove) {
	next := s
	t := &next.tabs[i]
	next.quiet, t.since = 0, 1
	if s.anyPromise() > 0 {
		t.promised = w.promised()
	}
	if t.owed == 0 {
		t.owed = 1
	}
	emit(fmt.Sprintf("a person moves the pointer in tab %d", i), next, "")
	if since := s.tabs[i].since; since > 0 {
		w.send(s, fmt.Sprintf("tab %d refreshes, active %d ago", i, since-1), since, func(next *idleState) {
			next.tabs[i].owed, next.tabs[i].reported = 0, min(since-1, w.half())
		}, emit)
	}
	if s.tabs[i].owed > 0 {
		next := s
		next.tabs[i].owed, next.tabs[i].promised = 0, 0
		emit(fmt.Sprintf("tab %d falls asleep", i), next, "")
	}
}

func (w *idleWorld) half() uint8 { return max(1, w.idle/2) }

// overdue reports whether a tab must report before more time passes: at once if its last report
// tells of an activity half of idle ago, and otherwise with the refresh that comes before its
// access token expires.
func (w *idleWorld) overdue(t idleTab) bool {
	if t.owed == 0 {
		return false
	}
	return t.reported >= w.half() && !w.lateReports || t.owed-1 >= w.ttl-w.delay
}

func (w *idleWorld) send(s idleState, name string, active uint8, change func(*idleState), emit idleMove) {
	slot := slices.IndexFunc(s.flights[:w.flights], func(f idleFlight) bool { return f.phase == free })
	if slot < 0 {
		return
	}
	next := s
	next.flights[slot] = idleFlight{phase: request, cookie: s.jar.refresh, active: active}
	if change != nil {
		change(&next)
	}
	emit(name, next, "")
}

// process answers a request.
func (w *idleWorld) process(s idleState, i int, emit idleMove) {
	f := s.flights[i]
	outcome, rec := w.judge(s.rec, f)
	next := s
	next.flights[i] = idleFlight{}
	name := fmt.Sprintf("request %d, cookie %d, reaches the store: %v, %d left", i, f.cookie.gen, outcome, rec.left)
	if !outcome.Alive() {
		emit(name, next, fmt.Sprintf("an honest request is %v", outcome))
		return
	}
	wrong := ""
	if outcome == session.Adopted && rec.left < f.cookie.left {
		wrong = "a session that the store has lost a write of ends before its token"
	}
	if rec != s.rec {
		if next.rec = rec; s.losses > 0 {
			next.before = s.rec
		}
	}
	if ago := f.active - 1; f.active > 0 && ago < w.promised() {
		next.promised = max(next.promised, w.promised()-ago)
	}
	known := w.life() - min(rec.left, w.life()) // since the last activity that the record knows
	next.flights[i] = idleFlight{
		phase: answer,
		next: idleJar{
			refresh: idleToken{rec.gen, 0, rec.left},
			access:  idleAccess{gen: rec.gen, left: min(w.ttl, rec.left), since: known},
		},
		sets: outcome == session.Rotated || outcome == session.Repeated,
	}
	emit(name, next, wrong)
}

func (w *idleWorld) answer(s idleState, i int, emit idleMove) {
	f := s.flights[i]
	next := s
	next.flights[i] = idleFlight{}
	emit(fmt.Sprintf("the answer to request %d is lost", i), next, "")
	if f.sets {
		next.jar.refresh = f.next.refresh
	}
	next.jar.access, next.dirty = f.next.access, max(next.dirty, 1)
	emit(fmt.Sprintf("the answer to request %d arrives", i), next, "")
}

// pass lets a tick pass, unless something has to happen first.
func (w *idleWorld) pass(s idleState, emit idleMove) {
	for _, f := range s.flights {
		if f.phase != free && f.age >= w.delay {
			return
		}
	}
	if w.overdue(s.tabs[0]) || w.overdue(s.tabs[1]) {
		return
	}
	next := s
	w.tick(&next)
	wrong := ""
	switch {
	case next.rec.left == 0 && next.anyPromise() > 0:
		wrong = "a session ends before its time, though a person was active"
	case next.rec.left == 0:
		w.ends++
		next = idleState{}
	case next.quiet >= w.idle+w.ttl+w.grace+w.delay:
		wrong = "a session in which no person was active lives past its bound"
	}
	emit("a tick passes", next, wrong)
}

func (w *idleWorld) tick(s *idleState) {
	less := func(n *uint8) { *n -= min(*n, 1) }
	for _, r := range [...]*idleRecord{&s.rec, &s.before} {
		less(&r.left)
		if r.confirmed > 0 {
			r.confirmed = min(r.confirmed+1, 2*w.grace+2)
		}
	}
	if s.before.left == 0 {
		s.before = idleRecord{}
	}
	jars := []*idleJar{&s.jar, &s.disk}
	for i := range s.flights {
		f := &s.flights[i]
		if f.phase != free {
			f.age++
			jars = append(jars, &f.next)
		}
		f.cookie.age = min(f.cookie.age+1, w.settle)
		less(&f.cookie.left)
	}
	for _, j := range jars {
		j.refresh.age, j.access.age = min(j.refresh.age+1, w.settle), min(j.access.age+1, w.settle)
		less(&j.refresh.left)
		less(&j.access.left)
		j.access.since = min(j.access.since+1, w.ttl)
	}
	for i := range s.tabs {
		t := &s.tabs[i]
		if t.since > 0 {
			if t.since++; t.since > w.life() {
				t.since = 0 // of no use to anyone
			}
		}
		if t.owed > 0 {
			t.owed++
		}
		t.reported = min(t.reported+1, w.half())
		less(&t.promised)
	}
	less(&s.promised)
	s.quiet++
	if s.dirty++; s.dirty == 1 {
		s.dirty = 0
	} else if s.dirty > w.disk {
		s.disk, s.dirty = s.jar, 0
	}
}

// normalise makes states equal that have the same future.
func (w *idleWorld) normalise(s *idleState) {
	for i := range s.flights {
		if s.flights[i].phase == free {
			s.flights[i] = idleFlight{}
		}
	}
	for _, a := range [...]*idleAccess{&s.jar.access, &s.disk.access, &s.flights[0].next.access, &s.flights[1].next.access} {
		if a.left == 0 {
			*a = idleAccess{}
		}
	}
	if !w.crashes {
		s.disk, s.dirty = idleJar{}, 0
	}
	if !w.confirms {
		for _, j := range [...]*idleJar{&s.jar, &s.disk, &s.flights[0].next, &s.flights[1].next} {
			j.refresh.age, j.access.age = 0, 0
		}
		s.flights[0].cookie.age, s.flights[1].cookie.age = 0, 0
	}
	if w.tabs < 2 {
		s.tabs[1] = idleTab{}
	}
	gens := []*uint8{&s.rec.gen, &s.before.gen}
	for _, j := range [...]*idleJar{&s.jar, &s.disk, &s.flights[0].next, &s.flights[1].next} {
		gens = append(gens, &j.refresh.gen, &j.access.gen)
		if w.losses == 0 {
			j.refresh.left = 0 // counts only for a generation that the store has lost
		}
	}
	for i := range s.flights {
		gens = append(gens, &s.flights[i].cookie.gen)
		if w.losses == 0 {
			s.flights[i].cookie.left = 0
		}
	}
	newest, oldest := uint8(0), uint8(255)
	for _, g := range gens {
		newest = max(newest, *g)
	}
	for _, g := range gens {
		if *g != 0 {
			*g = max(*g, newest-min(newest, span))
			oldest = min(oldest, *g)
		}
	}
	for _, g := range gens {
		if *g != 0 && oldest > 2 && oldest < 255 {
			*g -= oldest - 2
		}
	}
	if a, b := s.tabs[0], s.tabs[1]; a.since < b.since || a.since == b.since && (a.owed < b.owed || a.owed == b.owed && a.reported < b.reported) {
		s.tabs[0], s.tabs[1] = b, a
	}
	if a, b := s.flights[0], s.flights[1]; a.phase < b.phase || a.phase == b.phase && (a.age < b.age || a.age == b.age && (a.active < b.active ||
		a.active == b.active && (a.cookie.gen < b.cookie.gen || a.cookie.gen == b.cookie.gen && a.next.access.since < b.next.access.since))) {
		s.flights[0], s.flights[1] = b, a
	}
}

// explore goes breadth first through all states that can be reached, until something is wrong or
// there are no more (true) or more than most (false). It returns the moves that lead to what is
// wrong.
func (w *idleWorld) explore(most int) (states int, trace string, complete bool) {
	type origin struct {
		parent int32
		move   string
	}
	reached := []idleState{w.start()}
	from := []origin{{-1, ""}}
	seen := map[idleState]struct{}{reached[0]: {}}
	for i := 0; i < len(reached); i++ {
		if len(reached) > most {
			return len(reached), "", false
		}
		w.moves(reached[i], func(name string, next idleState, wrong string) {
			if wrong != "" && trace == "" {
				lines := []string{name, wrong}
				for j := i; from[j].parent >= 0; j = int(from[j].parent) {
					lines = append([]string{from[j].move}, lines...)
				}
				trace = strings.Join(lines, "\n")
			}
			w.normalise(&next)
			if _, ok := seen[next]; !ok {
				seen[next] = struct{}{}
				reached = append(reached, next)
				from = append(from, origin{int32(i), name})
			}
		})
		if trace != "" {
			return len(reached), trace, true
		}
	}
	return len(reached), "", true
}
