package session_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lucia-go/lucia/session"
)

// idleWorld is the world that the explorer of idle timeouts explores: one session that ends after
// the last activity of a person, and a browser with two tabs. Time passes in ticks, as in world.
//
// The server learns of an activity in three ways. A page view or form that refreshes is one. The
// browser module of a tab reports with a refresh when a person was last active there. A page view
// with a valid access token never reaches the store: it is accepted without a refresh if the token
// records an activity less than ttl ago, and refreshes otherwise.
//
// An active person is promised that the session lives for idle from then on, or for promise if that
// is set. An activity after the end of the last promise renews it only once the server has accepted
// it.
type idleWorld struct {
	idle          uint8 // Config.IdleTimeout
	promise       uint8 // the shortest time that the session lives after an activity; 0: idle
	ttl           uint8 // Config.AccessTTL
	grace, settle uint8 // of the policy
	delay         uint8 // longest delay of a request or an answer
	disk          uint8 // longest time until a changed cookie jar is on disk
	losses        uint8 // how often the store may lose its last write
	// tabs and exchanges count them, at most two each. Without crashes the browser does not crash.
	// Without confirms no generation is confirmed, so there are only two generations.
	tabs, exchanges   int
	crashes, confirms bool

	idleRule
	outcomes [session.Reused + 1]int // how often each occurred
	views    int                     // page views that never reached the store
	ends     int                     // sessions that ended because no person was active
}

// idleRule is the rule and what an idle timeout needs around it. The zero idleRule is the real one.
// Each field removes a part.
type idleRule struct {
	refresh     func(session.Record, session.Presentation, session.Policy, session.Instant) (session.Outcome, session.Record)
	noTTL       bool // the policy's Idle leaves out the life of an access token
	noGrace     bool // the policy's Idle leaves out the delay of a request
	blindViews  bool // a valid access token is enough for a page view, whatever activity it records
	lateReports bool // the module reports an activity only with its next refresh
	allActive   bool // a background refresh counts as an activity
}

// idleState is everything that determines what can happen next. Times are in ticks: ages, up to the
// value above which they make no difference, or the time left until something happens.
type idleState struct {
	rec, before idleRecord // before: as it was before the last write
	losses      uint8
	jar, disk   idleJar
	dirty       uint8 // 0: disk equals jar; else since when they differ, plus 1
	tabs        [2]idleTab
	exchanges   [2]idleExchange
	promised    uint8 // time left of the promise for accepted activities
	quiet       uint8 // since a person was last active
}

type idleRecord struct {
	gen       uint8 // 0: the session has ended
	confirmed uint8 // 0: no; else how long ago, plus 1
	left      uint8 // until ExpiresAt
}

// idleToken is a refresh token in a cookie: its generation, its age since it was handed out, and
// the time left until it expires.
type idleToken struct{ gen, age, left uint8 }

// idleAccess is an access token, with the age of the last activity that it records.
type idleAccess struct{ gen, age, left, since uint8 }

type idleJar struct {
	refresh idleToken
	access  idleAccess
}

// idleTab is what the module of a tab remembers.
type idleTab struct {
	since    uint8 // 0: no activity; else how long ago, plus 1
	owed     uint8 // 0: nothing to report; else since when, plus 1
	reported uint8 // age of the last reported activity, up to half of idle
	promised uint8 // time left of the promise for unreported activities
}

// idleExchange is a request on its way to the server, or the answer on its way back.
type idleExchange struct {
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

// judge applies the rule to a request.
func (w *idleWorld) judge(r idleRecord, f idleExchange) (session.Outcome, idleRecord) {
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

// idleMove receives everything that can happen: its name, the state after it, and what is wrong
// there.
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
	for i := range s.exchanges {
		switch s.exchanges[i].phase {
		case request:
			w.process(s, i, emit)
		case answer:
			w.answer(s, i, emit)
		}
	}
}

func (w *idleWorld) crash(s idleState, emit idleMove) {
	next := s
	next.jar, next.dirty, next.tabs, next.exchanges = s.disk, 0, [2]idleTab{}, [2]idleExchange{}
	emit("the browser crashes and comes back with the cookies on disk", next, "")
}

// view is a page view or a form submission.
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
// need, or the browser puts the tab to sleep. Activity that is unreported by then carries no
// promise.
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

// overdue reports whether a tab must report before more time passes: at once if its last report was
// of an activity half of idle ago, and otherwise with the refresh before its access token expires.
func (w *idleWorld) overdue(t idleTab) bool {
	if t.owed == 0 {
		return false
	}
	return t.reported >= w.half() && !w.lateReports || t.owed-1 >= w.ttl-w.delay
}

func (w *idleWorld) send(s idleState, name string, active uint8, change func(*idleState), emit idleMove) {
	slot := slices.IndexFunc(s.exchanges[:w.exchanges], func(f idleExchange) bool { return f.phase == free })
	if slot < 0 {
		return
	}
	next := s
	next.exchanges[slot] = idleExchange{phase: request, cookie: s.jar.refresh, active: active}
	if change != nil {
		change(&next)
	}
	emit(name, next, "")
}

// process answers a request.
func (w *idleWorld) process(s idleState, i int, emit idleMove) {
	f := s.exchanges[i]
	outcome, rec := w.judge(s.rec, f)
	next := s
	next.exchanges[i] = idleExchange{}
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
	known := w.life() - min(rec.left, w.life()) // age of the last activity in the record
	next.exchanges[i] = idleExchange{
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
	f := s.exchanges[i]
	next := s
	next.exchanges[i] = idleExchange{}
	emit(fmt.Sprintf("the answer to request %d is lost", i), next, "")
	if f.sets {
		next.jar.refresh = f.next.refresh
	}
	next.jar.access, next.dirty = f.next.access, max(next.dirty, 1)
	emit(fmt.Sprintf("the answer to request %d arrives", i), next, "")
}

// pass lets a tick pass unless something has to happen first.
func (w *idleWorld) pass(s idleState, emit idleMove) {
	for _, f := range s.exchanges {
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
		wrong = "a session ends too early, although a person was active"
	case next.rec.left == 0:
		w.ends++
		next = idleState{}
	case next.quiet >= w.idle+w.ttl+w.grace+w.delay:
		wrong = "a session without activity lives longer than its limit"
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
	for i := range s.exchanges {
		f := &s.exchanges[i]
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
				t.since = 0 // no longer useful
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
	for i := range s.exchanges {
		if s.exchanges[i].phase == free {
			s.exchanges[i] = idleExchange{}
		}
	}
	for _, a := range [...]*idleAccess{&s.jar.access, &s.disk.access, &s.exchanges[0].next.access, &s.exchanges[1].next.access} {
		if a.left == 0 {
			*a = idleAccess{}
		}
	}
	if !w.crashes {
		s.disk, s.dirty = idleJar{}, 0
	}
	if !w.confirms {
		for _, j := range [...]*idleJar{&s.jar, &s.disk, &s.exchanges[0].next, &s.exchanges[1].next} {
			j.refresh.age, j.access.age = 0, 0
		}
		s.exchanges[0].cookie.age, s.exchanges[1].cookie.age = 0, 0
	}
	if w.tabs < 2 {
		s.tabs[1] = idleTab{}
	}
	gens := []*uint8{&s.rec.gen, &s.before.gen}
	for _, j := range [...]*idleJar{&s.jar, &s.disk, &s.exchanges[0].next, &s.exchanges[1].next} {
		gens = append(gens, &j.refresh.gen, &j.access.gen)
		if w.losses == 0 {
			j.refresh.left = 0 // used only for a generation that the store has lost
		}
	}
	for i := range s.exchanges {
		gens = append(gens, &s.exchanges[i].cookie.gen)
		if w.losses == 0 {
			s.exchanges[i].cookie.left = 0
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
	if a, b := s.exchanges[0], s.exchanges[1]; a.phase < b.phase || a.phase == b.phase && (a.age < b.age || a.age == b.age && (a.active < b.active ||
		a.active == b.active && (a.cookie.gen < b.cookie.gen || a.cookie.gen == b.cookie.gen && a.next.access.since < b.next.access.since))) {
		s.exchanges[0], s.exchanges[1] = b, a
	}
}

// explore searches all reachable states breadth first. It stops when something is wrong, when no
// state is left (complete is true), or after more than most states (complete is false). It returns
// the moves that lead to what is wrong.
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
