package herd_test

import (
	"testing"
	"time"

	"github.com/lucia-go/lucia/benchmarks/herd"
)

// morning is a small world in which a tenth of a minute's herd fits at once.
var morning = herd.World{
	Pages: 20_000, Tabs: 3, Coalesced: true, Jitter: true, Outage: 20 * time.Minute,
	Capacity: 1_000, Places: 1024,
	Timeout: 3 * time.Second, Patience: 1500 * time.Millisecond, RetryAfter: 2 * time.Second,
}

func TestEveryPageIsServedSoonAfterTheOutage(t *testing.T) {
	t.Parallel()
	r := herd.Play(morning, 1)
	if r.All == 0 || r.All > 5*time.Minute {
		t.Errorf("last page served after %v, want within 5 minutes", r.All)
	}
}

// Tabs that do not share a refresh ask more than the store can do, so places run out.
func TestNoMoreCallsThanPlacesAreAtTheStore(t *testing.T) {
	t.Parallel()
	w := morning
	w.Coalesced = false
	r := herd.Play(w, 1)
	if r.AtStore != w.Places {
		t.Errorf("%d calls were at the store at once, want all %d places taken and no more", r.AtStore, w.Places)
	}
	if r.Waiting == 0 {
		t.Error("no request waited for a place")
	}
	if r.All == 0 {
		t.Error("not all pages were served within the hour")
	}
	if r.InVain >= r.Late {
		t.Errorf("%d calls in vain for %d late requests, want fewer, because a request without a place costs the store nothing", r.InVain, r.Late)
	}
	w.Places = 0
	if u := herd.Play(w, 1); u.AtStore <= morning.Places || u.Waiting != 0 || u.InVain <= r.InVain {
		t.Errorf("without a bound: %+v, want no request waiting and more calls in vain than with it: %+v", u, r)
	}
}

// If pages ask for more than the store can do, for longer than a request may take, then requests
// that wait all their time for a place have calls that are done in vain. Their pages ask again,
// without end.
func TestPatienceLeavesTimeForTheCall(t *testing.T) {
	t.Parallel()
	w := morning
	w.Pages, w.Tabs, w.Capacity, w.Places = 50_000, 2, 500, 205
	r := herd.Play(w, 1)
	if r.All == 0 || r.All > 5*time.Minute || r.InVain > 0 {
		t.Errorf("%+v, want all served within 5 minutes and nothing done in vain", r)
	}
	w.Patience = w.Timeout
	if r := herd.Play(w, 1); r.All != 0 {
		t.Errorf("with more patience: %+v, want that not all are served within the hour", r)
	}
}

func TestEachPrecautionHelps(t *testing.T) {
	t.Parallel()
	with := herd.Play(morning, 1)
	for name, c := range map[string]struct {
		change func(*herd.World)
		worse  func(r herd.Result) bool
	}{
		"tabs that do not share": {
			func(w *herd.World) { w.Coalesced = false },
			func(r herd.Result) bool { return r.Peak > 2*with.Peak && (r.All == 0 || r.All > with.All) },
		},
		"no limit on calls at the store": {
			func(w *herd.World) { w.Places = 0; w.Jitter = false; w.Coalesced = false },
			func(r herd.Result) bool { return r.AtStore > 10*with.AtStore },
		},
	} {
		w := morning
		c.change(&w)
		if r := herd.Play(w, 1); !c.worse(r) {
			t.Errorf("%s: %+v is no worse than %+v", name, r, with)
		}
	}
}

func TestPlayingAgainGivesTheSame(t *testing.T) {
	t.Parallel()
	if a, b := herd.Play(morning, 7), herd.Play(morning, 7); a != b {
		t.Errorf("%+v, then %+v", a, b)
	}
}
