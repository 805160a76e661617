package session_test

import (
	"fmt"

	"github.com/lucia-go/lucia/session"
)

// binding adds device-bound sessions to a world. The zero value adds nothing. Each field except
// device removes a part of how the server hands out and accepts bound tokens.
type binding struct {
	device     bool // the browser may bind its session to a key
	early      bool // the answer to the registration sets the bound cookie
	ungated    bool // a bound token is presented to the store at once
	settleOnly bool // a bound token is presented to the store once it has settled
	unproved   bool // a bound cookie is accepted without a proof
	bearers    bool // an unbound bearer token counts although the cookie is bound
	keyLost    bool // a crash may lose the key although the bound cookie is on disk
}

// The explorer's numbers for bound generations. The real rule sees them as numbers from
// session.BoundGenerations on. The first one is special, because no request has presented it.
const (
	boundBit   = 0x40
	firstBound = boundBit | 1
)

func isBound(gen uint8) bool { return gen&boundBit != 0 }

// generation returns the real number of a generation.
func generation(gen uint8) session.Generation {
	if isBound(gen) {
		return session.BoundGenerations | session.Generation(gen&^boundBit)
	}
	return session.Generation(gen)
}

// small is the inverse of generation.
func smallGeneration(g session.Generation) uint8 {
	if g.Bound() {
		return boundBit | uint8(g)
	}
	return uint8(g)
}

// gate is the age from which the first bound token may be presented to the store. By then no honest
// unbound token is left. First the bound token reached the browser (one delay). Then the requests
// that the browser had sent with an unbound token were answered, which may have put an unbound
// token into its jar again (two delays). Then the requests that it had sent before that with the
// bound token arrived (one delay).
func (w *world) gate() uint8 {
	switch {
	case w.ungated:
		return 0
	case w.settleOnly:
		return w.settle
	}
	return max(w.settle, 4*w.grace+1)
}

// cap returns the age above which the model does not distinguish ages of a token.
func (w *world) cap(t token) uint8 {
	if t.gen == firstBound {
		return max(w.settle, w.gate())
	}
	return w.settle
}

// asksStore reports whether the server lets a request reach the store. A request that carries a
// bound cookie without a proof gets a page or a 503, and changes nothing.
func (w *world) asksStore(f exchange) bool {
	if !isBound(f.cookie.gen) {
		return true
	}
	if !f.proof && !w.unproved {
		return w.bearers && f.bearer != 0 && !isBound(f.bearer)
	}
	return f.cookie.gen != firstBound || f.cookie.age >= w.gate()
}

// register is the browser's registration of its key. The server keeps nothing of it and the answer
// sets no cookie. So it does not matter when the request is sent or how late the answer is: at some
// time the browser has the key, or never.
func (w *world) register(s state, emit func(move, state, string)) {
	if !w.device || s.rec.gen == 0 {
		return
	}
	if !s.key {
		next := s
		next.key = true
		if w.early && !isBound(s.jar.refresh.gen) {
			next.bind()
			headers := next // the body is lost, without which the browser does not keep the key
			headers.key = false
			emit(move{kind: registered, i: 1}, headers, keyless(headers))
		}
		emit(move{kind: registered}, next, "")
	}
	slot := w.slot(&s)
	if !s.key || slot < 0 {
		return
	}
	next := s
	next.exchanges[slot] = exchange{phase: request, cookie: s.jar.refresh, proof: true}
	emit(move{kind: prove}, next, "")
}

func (s *state) bind() {
	s.jar.refresh, s.jar.access = token{gen: firstBound}, token{gen: firstBound}
	s.dirty = max(s.dirty, 1)
}

// bindUnasked is the answer to a proof beside an unbound cookie while the access token is valid. It
// does not ask the store.
func (w *world) bindUnasked(s state, i uint8, emit func(move, state, string)) {
	f := s.exchanges[i]
	if !f.proof || isBound(f.cookie.gen) || f.tab == noTab || w.early {
		return
	}
	next := s
	next.exchanges[i] = exchange{phase: answer, gen: firstBound, sets: true, proof: true}
	emit(move{handBound, i}, next, "")
}

// waits is the answer to a bound token that must not be presented to the store yet. It is an access
// token only.
func (w *world) waits(s state, i uint8, emit func(move, state, string)) {
	f := s.exchanges[i]
	next := s
	next.exchanges[i] = exchange{}
	if f.proof && f.tab != noTab {
		next.exchanges[i] = exchange{phase: answer, gen: f.cookie.gen, proof: true}
	}
	emit(move{handAccess, i}, next, "")
}

// recover emits the states in which a browser comes back after a crash: with the key, and without
// it. Browsers write the key before the cookies, so the key is there if the bound cookie is.
func (w *world) recover(next state, emit func(move, state, string)) {
	emit(move{kind: crash}, next, "")
	if next.key && (!isBound(next.jar.refresh.gen) || w.keyLost) {
		next.key = false
		emit(move{kind: crash, i: 1}, next, keyless(next))
	}
}

func keyless(s state) string {
	if isBound(s.jar.refresh.gen) && !s.key {
		return "an honest browser has a bound cookie and no key"
	}
	return ""
}

// boundTheft describes what is wrong with the answers to a thief with a copied jar: either an
// unbound jar from before the binding took effect, or a bound one without the key.
func (w *world) boundTheft(r record) string {
	if !isBound(r.gen) {
		return ""
	}
	for gen := uint8(1); gen <= span; gen++ {
		if outcome, _ := w.judge(r, exchange{cookie: token{gen, w.settle}}); outcome != session.Reused {
			return fmt.Sprintf("a thief with an unbound jar is not detected: %v", outcome)
		}
	}
	copied := exchange{cookie: token{r.gen, w.cap(token{gen: r.gen})}}
	if w.asksStore(copied) {
		outcome, _ := w.judge(r, copied)
		return fmt.Sprintf("a thief with a bound jar is answered: %v", outcome)
	}
	return ""
}

// describeBound describes a move of binding in s.
func (m move) describeBound(s state) string {
	switch m.kind {
	case registered:
		if m.i == 1 {
			return "the answer to the registration arrives without its body"
		}
		return "the browser registers its key"
	case prove:
		return fmt.Sprintf("the browser sends a proof, cookie %s", s.jar.refresh)
	case handBound:
		return fmt.Sprintf("request %d, cookie %s, is answered with the bound token", m.i, s.exchanges[m.i].cookie)
	case handAccess:
		return fmt.Sprintf("request %d, cookie %s, is answered without the store", m.i, s.exchanges[m.i].cookie)
	}
	return "unknown move"
}
