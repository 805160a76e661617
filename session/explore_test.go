package session_test

import (
	"cmp"
	"slices"
	"strings"
)

// explored is what an exploration found.
type explored struct {
	world  *world
	states []state
	parent []int32 // index of the state from which a state was reached first
	seen   map[state]struct{}
	moves  int
	// wrong is what went wrong, in the last move from state last.
	wrong string
	last  int
	final move
}

// explore goes breadth first through all states that can be reached, until
// something is wrong or there are no more (true) or more than most (false).
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

// span is how many generations a state keeps apart. What is further behind the
// newest is all the same: nothing in the world presents it alone, and if it
// were presented it would be no less than theft.
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
		&s.flights[0].bearer, &s.flights[0].cookie.gen, &s.flights[0].gen,
		&s.flights[1].bearer, &s.flights[1].cookie.gen, &s.flights[1].gen,
	}
	for _, class := range [...]uint8{0, boundBit} {
		w.renumber(class, gens[:])
	}
	if !w.named {
		s.unname()
	}
}

// renumber makes the generations of one class small, the unbound or the bound ones. The first of
// each, 1, is not like the others.
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

// unname puts tabs and flights in an order that does not tell which was first.
func (s *state) unname() {
	if a, b := s.tabs[0], s.tabs[1]; a.gen < b.gen || a.gen == b.gen && a.age < b.age {
		s.tabs[0], s.tabs[1] = b, a
		for i := range s.flights {
			if f := &s.flights[i]; f.phase != free && f.tab != nobody {
				f.tab = 1 - f.tab
			}
		}
	}
	if a, b := s.flights[0], s.flights[1]; a.compare(b) < 0 {
		s.flights[0], s.flights[1] = b, a
	}
}

func (f flight) compare(g flight) int {
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

// trace returns the moves that lead to what is wrong, one a line, each with the
// state after it. It replays them with nothing left out or renamed, and thereby
// shows that what normalise does leads to no false alarm.
func (x *explored) trace() string {
	w := *x.world
	if !w.named { // numbers that stay what they are make a better story
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
			return b.String() + cmp.Or(wrong, w.theft(s.rec), w.boundTheft(s.rec), "but it is not wrong: "+x.wrong)
		case !found:
			return b.String() + "but that cannot be: " + x.wrong
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
