package session_test

import (
	"fmt"

	"github.com/lucia-go/lucia/session"
)

// move is one thing that happens.
type move struct {
	kind moveKind
	i    uint8 // which tab, flight or number of writes
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

// moves calls emit for everything that can happen in s, with the state after
// it and, where the rule failed an honest user, with what is wrong.
//
// Some things need no move of their own. A request that is lost before it
// reached the server, or a confirm that is dropped, is one that was never sent.
// A store's call whose reply is lost and which is not repeated is an answer
// that is lost.
func (w *world) moves(s state, emit func(m move, next state, wrong string)) {
	w.time(s, emit)
	if s.rec.gen != 0 {
		w.browser(s, emit)
		w.register(s, emit)
		w.confirms(s, emit)
		w.faults(s, emit)
	}
	for i := range s.flights {
		switch s.flights[i].phase {
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
	due := false // what has been under way as long as can be arrives now or never
	for _, f := range s.flights {
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
	if s.disk.refresh.gen != 0 { // else the sign-in itself is lost
		next := s
		next.jar, next.dirty, next.tabs = s.disk, 0, [2]token{}
		for i := range next.flights {
			if f := &next.flights[i]; f.phase == request && w.outlive {
				f.tab = nobody
			} else {
				*f = flight{}
			}
		}
		if !w.outlive && next.late.age < w.settle {
			next.late = token{}
		}
		w.recover(next, emit)
	}
	slot := s.slot()
	if slot < 0 {
		return
	}
	for i, tab := range s.tabs {
		next := s
		f := flight{phase: request, tab: uint8(i), cookie: s.jar.refresh}
		if next.flights[slot] = f; w.asksStore(f) {
			emit(move{navigate, uint8(i)}, next, "")
		}
		if tab.gen == 0 || tab.gen <= f.cookie.gen && !w.noMaximum && !w.bearers {
			continue // a bearer token that says nothing makes no difference
		}
		f.bearer = tab.gen
		if next.flights[slot] = f; w.asksStore(f) {
			emit(move{refreshTab, uint8(i)}, next, "")
		}
	}
}

// confirms is what the use of access tokens brings about.
func (w *world) confirms(s state, emit func(move, state, string)) {
	used := []token{s.jar.access}
	if w.bearerAccess {
		used = append(used, s.tabs[:]...)
	}
	for i, t := range used {
		// Of use is what will have settled by the time it has reached the
		// server; the store may then be told at once or as late as can be.
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

// faults is what goes wrong at the store; and the end of the session.
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
	// Of a session that has ended only what is under way still matters.
	next := state{late: s.late, flights: s.flights}
	for i := range next.flights {
		if next.flights[i].phase == answer {
			next.flights[i] = flight{}
		}
	}
	emit(move{kind: signOut}, next, "")
}

// server answers a request.
func (w *world) server(s state, i uint8, emit func(move, state, string)) {
	f := s.flights[i]
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
		// The store did it, but its reply is lost and the call will be repeated.
		emit(move{processTwice, i}, next, "")
	}
	next.flights[i] = flight{}
	if outcome.Alive() && f.tab != nobody {
		kept := (outcome == session.Current || outcome == session.Adopted) && f.cookie.gen == rec.gen && !w.alwaysReset
		next.flights[i] = flight{phase: answer, tab: f.tab, gen: rec.gen, sets: !kept, proof: f.proof}
		if f.proof && !isBound(f.cookie.gen) {
			next.flights[i] = flight{phase: answer, gen: firstBound, sets: true, proof: true}
		}
	}
	emit(move{process, i}, next, wrong)
}

// comesBack says what is wrong where a session that had ended has a record.
func comesBack(s, next state) string {
	if s.rec.gen == 0 && next.rec.gen != 0 {
		return "a session that had ended is back"
	}
	return ""
}

// answers brings an answer home: all of it, its headers only, or nothing.
func (w *world) answers(s state, i uint8, emit func(move, state, string)) {
	f := s.flights[i]
	next := s
	next.flights[i] = flight{}
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

// describe says what a move in s is.
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
		f := s.flights[m.i]
		outcome, rec := w.judge(s.rec, f)
		text := fmt.Sprintf("request %d, bearer %d, cookie %d, reaches the store: %v, generation %d",
			m.i, f.bearer, f.cookie.gen, outcome, rec.gen)
		if m.kind == processTwice {
			text += "; the reply is lost, the call will be repeated"
		}
		return text
	case arrive, arriveHeaders, loseAnswer:
		f := s.flights[m.i]
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
