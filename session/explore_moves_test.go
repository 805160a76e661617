package session_test

import (
	"fmt"

	"github.com/lucia-go/lucia/session"
)

// move is one thing that happens.
type move struct {
	kind moveKind
	i    uint8 // which tab, exchange or number of writes
}

type moveKind uint8

const (
	timePasses moveKind = iota
	diskWritten
	crash
	navigate
	refreshTab
	process
	processTwice
	arrive
	arriveHeaders
	loseAnswer
	useAccess
	confirm
	loseWrites
	signOut
	steal

	registered // binding
	prove
	handBound
	handAccess
)

// moves calls emit for everything that can happen in s, with the state after it and, if the rule
// failed an honest user, what is wrong.
//
// Some things need no move of their own. A request lost before it reached the server and a dropped
// confirm are the same as one that was never sent. A store call whose reply is lost and that is not
// repeated is the same as a lost answer.
func (w *world) moves(s state, emit func(m move, next state, wrong string)) {
	w.time(s, emit)
	if s.rec.gen != 0 {
		w.browser(s, emit)
		w.register(s, emit)
		w.confirms(s, emit)
		w.faults(s, emit)
	}
	for i := range s.exchanges {
		switch s.exchanges[i].phase {
		case request:
			w.server(s, uint8(i), emit)
		case answer:
			w.answers(s, uint8(i), emit)
		}
	}
	if s.late.gen != 0 && (s.late.age >= w.settle || w.unsettled) {
		next := s
		next.late = token{}
		next.write(w.judgeConfirm(s.rec, s.late))
		emit(move{kind: confirm}, next, comesBack(s, next))
	}
}

func (w *world) time(s state, emit func(move, state, string)) {
	due := false // something has reached the longest delay and arrives now or never
	for _, f := range s.exchanges {
		due = due || f.phase != free && f.age >= w.delay
	}
	if next := s; !due {
		w.tick(&next)
		emit(move{kind: timePasses}, next, "")
	}
	if next := s; s.dirty > 0 {
		next.disk, next.dirty = s.jar, 0
		emit(move{kind: diskWritten}, next, "")
	}
}

// browser is what the browser does by itself: a crash, and requests.
func (w *world) browser(s state, emit func(move, state, string)) {
	if s.disk.refresh.gen != 0 { // otherwise the sign-in itself is lost
		next := s
		next.jar, next.dirty, next.tabs = s.disk, 0, [2]token{}
		for i := range next.exchanges {
			if f := &next.exchanges[i]; f.phase == request && w.outlive {
				f.tab = noTab
			} else {
				*f = exchange{}
			}
		}
		if !w.outlive && next.late.age < w.settle {
			next.late = token{}
		}
		w.recover(next, emit)
	}
	slot := w.slot(&s)
	if slot < 0 {
		return
	}
	for i, tab := range s.tabs {
		next := s
		f := exchange{phase: request, tab: uint8(i), cookie: s.jar.refresh}
		if next.exchanges[slot] = f; w.asksStore(f) {
			emit(move{navigate, uint8(i)}, next, "")
		}
		if tab.gen == 0 || tab.gen <= f.cookie.gen && !w.noMaximum && !w.bearers {
			continue // an older bearer token makes no difference
		}
		f.bearer = tab.gen
		if next.exchanges[slot] = f; w.asksStore(f) {
			emit(move{refreshTab, uint8(i)}, next, "")
		}
	}
}

// slot returns the index of a free exchange, or -1.
func (w *world) slot(s *state) int {
	for i, f := range s.exchanges {
		if f.phase == free {
			return i
		}
		if w.single {
			break
		}
	}
	return -1
}

// confirms is what the use of access tokens causes.
func (w *world) confirms(s state, emit func(move, state, string)) {
	used := []token{s.jar.access}
	if w.bearerAccess {
		used = append(used, s.tabs[:]...)
	}
	for i, t := range used {
		// Only a token that will have settled when it reaches the server matters. The store may be
		// told of it at once, or as late as possible.
		if t.gen <= 1 || t.age+w.delay < w.settle && !w.unsettled {
			continue
		}
		if s.late.gen == 0 {
			next := s
			next.late = t
			emit(move{useAccess, uint8(i)}, next, "")
		}
	}
}

// faults are the failures of the store, and the end of the session.
func (w *world) faults(s state, emit func(move, state, string)) {
	for i := range s.before {
		if s.losses == 0 || s.before[i].gen == 0 {
			break
		}
		next := s
		next.rec = s.before[i]
		next.before = [2]record{}
		copy(next.before[:], s.before[i+1:])
		if next.losses--; next.losses == 0 {
			next.before = [2]record{}
		}
		emit(move{loseWrites, uint8(i)}, next, "")
	}
	// Once a session has ended, only requests and answers under way matter.
	next := state{late: s.late, exchanges: s.exchanges}
	for i := range next.exchanges {
		if next.exchanges[i].phase == answer {
			next.exchanges[i] = exchange{}
		}
	}
	emit(move{kind: signOut}, next, "")
}

// server answers a request.
func (w *world) server(s state, i uint8, emit func(move, state, string)) {
	f := s.exchanges[i]
	w.bindUnasked(s, i, emit)
	if !w.asksStore(f) {
		w.waits(s, i, emit)
		return
	}
	outcome, rec := w.judge(s.rec, f)
	next := s
	next.write(rec)
	wrong := comesBack(s, next)
	if s.rec.gen != 0 && !outcome.Alive() {
		wrong = fmt.Sprintf("an honest request is %v", outcome)
	}
	if wrong == "" {
		// The store performed the step, but its reply is lost and the call will be repeated.
		emit(move{processTwice, i}, next, "")
	}
	next.exchanges[i] = exchange{}
	if outcome.Alive() && f.tab != noTab {
		kept := (outcome == session.Current || outcome == session.Adopted) && f.cookie.gen == rec.gen && !w.alwaysReset
		next.exchanges[i] = exchange{phase: answer, tab: f.tab, gen: rec.gen, sets: !kept, proof: f.proof}
		if f.proof && !isBound(f.cookie.gen) {
			next.exchanges[i] = exchange{phase: answer, gen: firstBound, sets: true, proof: true}
		}
	}
	emit(move{process, i}, next, wrong)
}

// comesBack describes what is wrong if a session that had ended has a record.
func comesBack(s, next state) string {
	if s.rec.gen == 0 && next.rec.gen != 0 {
		return "a session that had ended is back"
	}
	return ""
}

// answers delivers an answer: all of it, only its headers, or nothing.
func (w *world) answers(s state, i uint8, emit func(move, state, string)) {
	f := s.exchanges[i]
	next := s
	next.exchanges[i] = exchange{}
	emit(move{loseAnswer, i}, next, "")
	next.receive(f)
	emit(move{arriveHeaders, i}, next, "")
	if f.proof {
		return // no page reads it
	}
	next.tabs[f.tab] = token{gen: f.gen}
	if w.bearerAccess {
		next.tabs[f.tab].age = f.age
	}
	emit(move{arrive, i}, next, "")
}

// describe describes a move in s.
func (m move) describe(w *world, s state) string {
	switch m.kind {
	case timePasses:
		return "a tick passes"
	case diskWritten:
		return "the browser writes its cookies to disk"
	case crash:
		return "the browser crashes and comes back with the cookies on disk"
	case navigate:
		return fmt.Sprintf("tab %d navigates, cookie %d", m.i, s.jar.refresh.gen)
	case refreshTab:
		return fmt.Sprintf("tab %d refreshes, bearer %d, cookie %d", m.i, s.tabs[m.i].gen, s.jar.refresh.gen)
	case process, processTwice:
		f := s.exchanges[m.i]
		outcome, rec := w.judge(s.rec, f)
		text := fmt.Sprintf("request %d, bearer %d, cookie %d, reaches the store: %v, generation %d",
			m.i, f.bearer, f.cookie.gen, outcome, rec.gen)
		if m.kind == processTwice {
			text += "; the reply is lost, the call will be repeated"
		}
		return text
	case arrive, arriveHeaders, loseAnswer:
		f := s.exchanges[m.i]
		fate := map[moveKind]string{
			arrive: "arrives", arriveHeaders: "arrives without its body", loseAnswer: "is lost",
		}[m.kind]
		return fmt.Sprintf("the answer to request %d, for tab %d with generation %d, %s", m.i, f.tab, f.gen, fate)
	case useAccess:
		where := [...]string{"the jar", "tab 0", "tab 1"}[m.i]
		used := [...]token{s.jar.access, s.tabs[0], s.tabs[1]}[m.i]
		return fmt.Sprintf("the access token of %s, generation %d, is used", where, used.gen)
	case confirm:
		return fmt.Sprintf("the confirm of generation %d reaches the store", s.late.gen)
	case loseWrites:
		return fmt.Sprintf("the store loses its last %d writes", m.i+1)
	case signOut:
		return "sign-out"
	case steal:
		return "a thief presents an old token"
	}
	return m.describeBound(s)
}
