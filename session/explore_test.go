package session_test

import (
	"cmp"
	"slices"
	"strings"
)

// explored is the result of an exploration.
type explored struct {
	world  *world
	states []state
	parent []int32 // index of the state from which a state was reached first
	seen   map[state]struct{}
	moves  int
	// wrong describes what went wrong in the last move from state last.
	wrong string
	last  int
	final move
}

// explore searches all reachable states breadth first. It stops when something is wrong, when no
// state is left (complete is true), or after more than most states (complete is false).
func (w *world) explore(most int) (x explored, complete bool) {
	x = explored{world: w, seen: make(map[state]struct{})}
	start := w.start()
	x.add(start, -1)
	for i := 0; i < len(x.states); i++ {
		if len(x.states) > most {
			return x, false
		}
		if x.wrong = cmp.Or(w.theft(x.states[i].rec), w.boundTheft(x.states[i].rec)); x.wrong != "" {
			x.last, x.final = i, move{kind: steal}
			return x, true
		}
		w.moves(x.states[i], func(m move, next state, wrong string) {
			x.moves++
			if wrong != "" && x.wrong == "" {
				x.wrong, x.last, x.final = wrong, i, m
			}
			w.normalise(&next)
			x.add(next, i)
		})
		if x.wrong != "" {
			return x, true
		}
	}
	return x, true
}

func (x *explored) add(s state, parent int) {
	n := len(x.seen)
	if x.seen[s] = struct{}{}; len(x.seen) > n {
		x.states = append(x.states, s)
		x.parent = append(x.parent, int32(parent))
	}
}

// span is how many generations a state distinguishes. All generations further behind the newest are
// treated alike: nothing in the world presents one of them alone, and presenting one would be reuse
// in any case.
const span = 6

// normalise makes states equal that have the same future.
func (w *world) normalise(s *state) {
	if !w.exact {
		w.forget(s)
	}
	gens := [...]*uint8{
		&s.rec.gen, &s.before[0].gen, &s.before[1].gen, &s.late.gen,
		&s.jar.refresh.gen, &s.jar.access.gen, &s.disk.refresh.gen, &s.disk.access.gen,
		&s.tabs[0].gen, &s.tabs[1].gen,
		&s.exchanges[0].bearer, &s.exchanges[0].cookie.gen, &s.exchanges[0].gen,
		&s.exchanges[1].bearer, &s.exchanges[1].cookie.gen, &s.exchanges[1].gen,
	}
	for _, class := range [...]uint8{0, boundBit} {
		w.renumber(class, gens[:])
	}
	if !w.named {
		s.unname()
	}
}

// renumber makes the generations of one class, unbound or bound, small. The first of each class, 1,
// is special.
func (w *world) renumber(class uint8, gens []*uint8) {
	newest, oldest := uint8(0), uint8(255)
	each := func(f func(n uint8) uint8) {
		for _, g := range gens {
			if *g != 0 && *g&boundBit == class {
				*g = f(*g&^boundBit) | class
			}
		}
	}
	each(func(n uint8) uint8 { newest = max(newest, n); return n })
	each(func(n uint8) uint8 {
		if newest > span {
			n = max(n, newest-span)
		}
		oldest = min(oldest, n)
		return n
	})
	each(func(n uint8) uint8 {
		if oldest > 2 {
			n -= oldest - 2
		}
		return n
	})
}

// unname puts tabs and exchanges in an order that does not depend on which was first.
func (s *state) unname() {
	if a, b := s.tabs[0], s.tabs[1]; a.gen < b.gen || a.gen == b.gen && a.age < b.age {
		s.tabs[0], s.tabs[1] = b, a
		for i := range s.exchanges {
			if f := &s.exchanges[i]; f.phase != free && f.tab != noTab {
				f.tab = 1 - f.tab
			}
		}
	}
	if a, b := s.exchanges[0], s.exchanges[1]; a.compare(b) < 0 {
		s.exchanges[0], s.exchanges[1] = b, a
	}
}

func (f exchange) compare(g exchange) int {
	number := func(is bool) int {
		if is {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(f.phase, g.phase), cmp.Compare(f.age, g.age), cmp.Compare(f.tab, g.tab), cmp.Compare(f.bearer, g.bearer),
		cmp.Compare(f.cookie.gen, g.cookie.gen), cmp.Compare(f.cookie.age, g.cookie.age), cmp.Compare(f.gen, g.gen),
		cmp.Compare(number(f.sets), number(g.sets)), cmp.Compare(number(f.proof), number(g.proof)),
	)
}

// trace returns the moves that lead to what is wrong, one a line, each with the state after it. It
// replays them without forget and normalise, and so shows that neither causes a false alarm.
func (x *explored) trace() string {
	w := *x.world
	if !w.named { // constant numbers make the trace easier to read
		w.named = true
		y, _ := w.explore(10 * len(x.states))
		if y.wrong == "" {
			return x.wrong + " (but not with tabs and requests kept apart)"
		}
		return y.trace()
	}
	var b strings.Builder
	s := w.start()
	path := x.path()
	for i, m := range path {
		b.WriteString(m.describe(&w, s) + "\n")
		found, wrong := false, ""
		w.moves(s, func(n move, next state, ill string) {
			if n == m && !found {
				s, wrong, found = next, ill, true
			}
		})
		switch {
		case i == len(path)-1:
			return b.String() + cmp.Or(wrong, w.theft(s.rec), w.boundTheft(s.rec), "but the replay finds nothing wrong; expected: "+x.wrong)
		case !found:
			return b.String() + "but the replay does not reach: " + x.wrong
		}
		b.WriteString("\t[" + s.describe() + "]\n")
	}
	return b.String()
}

// path returns the moves from the start to what is wrong.
func (x *explored) path() []move {
	moves := []move{x.final}
	for i := x.last; x.parent[i] >= 0; i = int(x.parent[i]) {
		moves = append(moves, x.between(int(x.parent[i]), i))
	}
	slices.Reverse(moves)
	return moves
}

// between returns the move that leads from one state to another.
func (x *explored) between(from, to int) (found move) {
	done := false
	x.world.moves(x.states[from], func(m move, next state, _ string) {
		if x.world.normalise(&next); !done && next == x.states[to] {
			found, done = m, true
		}
	})
	return found
}
