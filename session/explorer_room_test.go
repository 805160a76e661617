package session_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lucia-go/lucia/session"
)

// roomWorld is the sessions of one user, who has two devices and may have most sessions, and for
// whom an administrator acts. Session ids are numbers, and a later sign-in has a higher id.
type roomWorld struct {
	most   int
	third  bool // the user has three devices, not two
	refuse bool

	noFormer    bool // off: Create is told which sessions the browser replaces
	countsSelf  bool // off: a repeated Create does not count what it has created
	countsActor bool // off: acting sessions take no place
	endsNewest  bool // off: the session that was least recently issued a token ends
}

type roomHeld struct{ issued, device uint8 } // issued 0: no such session

const (
	roomIDs = 4
	acting  = 4 // the administrator's browser, beside the devices from 1 on
)

type roomState struct {
	held    [roomIDs + 1]roomHeld
	own     [acting + 1]uint8 // the session in the browser of each device
	last    uint8             // the last id
	clock   uint8
	pending uint8 // the id of a Create whose reply is lost, 0: none
	by      uint8 // its device
}

// ids limits the sign-ins, so that the world stays small.
func (w *roomWorld) ids() uint8 {
	if w.third {
		return roomIDs - 1
	}
	return roomIDs
}

func (w *roomWorld) moves(s roomState, emit func(string, roomState, string)) {
	if s.pending != 0 {
		w.create(s, s.by, s.pending, true, emit)
		return
	}
	for d := uint8(1); d <= acting; d++ {
		if d == 3 && !w.third {
			continue
		}
		if s.last < w.ids() {
			w.create(s, d, s.last+1, false, emit)
		}
		if id := s.own[d]; id != 0 && s.held[id].issued != 0 && s.clock < roomIDs {
			next := s
			next.clock++
			next.held[id].issued = next.clock
			emit(fmt.Sprintf("device %d rotates session %d", d, id), next, "")
		}
	}
}

// create is the step of Store.Create and the app's reaction to its reply, unless the reply is lost.
func (w *roomWorld) create(s roomState, device, id uint8, again bool, emit func(string, roomState, string)) {
	c := session.CreateParams{ID: session.ID{id}, Max: w.most, Refuse: w.refuse}
	if device == acting {
		c.Details.ActorID = "admin"
	}
	former := s.own[device]
	if former != 0 && !w.noFormer {
		c.Former = []session.ID{{former}}
	}
	asked := c
	if w.countsSelf {
		asked.ID = session.ID{}
	}
	var live []session.Candidate
	for i, h := range s.held {
		if h.issued == 0 {
			continue
		}
		held := session.Candidate{ID: session.ID{uint8(i)}, IssuedAt: session.Instant(h.issued)}
		if h.device == acting && !w.countsActor {
			held.ActorID = "admin"
		}
		if w.endsNewest {
			held.IssuedAt = -held.IssuedAt
		}
		live = append(live, held)
	}
	ended, ok := session.MakeRoom(live, asked)
	name := fmt.Sprintf("device %d signs in, session %d, again %v: ends %d, refused %v", device, id, again, len(ended), !ok)
	others := w.others(s, device)
	if !ok {
		next := s
		next.pending, next.by = 0, 0
		wrong := ""
		if device == acting || len(others) < w.most {
			wrong = "a sign-in is refused though there is room"
		}
		emit(name, next, wrong)
		return
	}
	next := s
	wrong := ""
	for n, e := range ended {
		next.held[e[0]] = roomHeld{}
		if n >= len(others)+1-w.most || device == acting || e[0] != others[n] {
			wrong = "a session ends that should not"
		}
	}
	next.clock++
	next.held[id], next.last = roomHeld{next.clock, device}, id
	lost := next
	lost.pending, lost.by = id, device
	if !again {
		emit(name+", and the reply is lost", lost, wrong)
	}
	if former != 0 {
		next.held[former] = roomHeld{}
	}
	next.own[device], next.pending, next.by = id, 0, 0
	if wrong == "" && device != acting && len(w.others(next, 0)) > w.most {
		wrong = "the user has more sessions than they may have"
	}
	emit(name, next, wrong)
}

// others returns the user's own sessions on other devices, the least recently issued one first.
func (w *roomWorld) others(s roomState, device uint8) (ids []uint8) {
	for i, h := range s.held {
		if h.issued != 0 && h.device != acting && h.device != device {
			ids = append(ids, uint8(i))
		}
	}
	slices.SortFunc(ids, func(a, b uint8) int { return int(s.held[a].issued) - int(s.held[b].issued) })
	return ids
}

// Two or three devices of a user sign in repeatedly, replies of Create are lost and the calls
// repeated, tokens are rotated, and an administrator acts for the user. A device loses its session
// only if another one needs the place and its session was the least recently issued one. No sign-in
// is refused while there is room. The user never has more sessions than the limit.
func TestRoomExplorer(t *testing.T) {
	t.Parallel()
	if raceDetector {
		t.Skip("a single goroutine has no races")
	}
	for most := 1; most <= 2; most++ {
		for _, refuse := range []bool{false, true} {
			w := roomWorld{most: most, refuse: refuse, third: most == 2 && !refuse}
			if trace, n := search(t, roomState{}, w.moves); trace != "" || n < 100 {
				t.Errorf("%d sessions, refuse %v, %d states:\n%s", most, refuse, n, trace)
			}
		}
	}
	for part, w := range map[string]roomWorld{
		"a browser replaces its own session":                 {most: 2, noFormer: true},
		"a browser replaces its own session, RefuseNew":      {most: 2, refuse: true, noFormer: true},
		"a repeated Create does not count itself":            {most: 2, countsSelf: true},
		"a repeated Create does not count itself, RefuseNew": {most: 2, refuse: true, countsSelf: true},
		"acting sessions take no place":                      {most: 2, countsActor: true},
		"acting sessions take no place, RefuseNew":           {most: 2, refuse: true, countsActor: true},
		"the session that was least recently issued ends":    {most: 2, third: true, endsNewest: true},
	} {
		if trace, n := search(t, roomState{}, w.moves); trace == "" {
			t.Errorf("%s: without this nothing goes wrong in %d states", part, n)
		}
	}
}
