package herd_test

import (
	"testing"
	"time"

	"github.com/lucia-go/lucia/benchmarks/herd"
)

// morning is a small world in which a tenth of a minute's herd fits at once.
var morning = herd.World{
	Pages: 20_000, Tabs: 3, Coalesced: true, Jitter: true, Outage: 20 * time.Minute,
	Capacity: 1_000, Places: 1024, Timeout: 3 * time.Second, RetryAfter: 2 * time.Second,
}

func TestEveryPageIsServedSoonAfterTheOutage(t *testing.T) {
	t.Parallel()
	r := herd.Play(morning, 1)
	if r.All == 0 || r.All > 5*time.Minute {
		t.Errorf("last page served after %v, want within 5 minutes", r.All)
	}
	if r.Most > morning.Places {
		t.Errorf("%d requests waited at once, want at most %d", r.Most, morning.Places)
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
		"no bound on what waits": {
			func(w *herd.World) { w.Places = 0; w.Jitter = false; w.Coalesced = false },
			func(r herd.Result) bool { return r.Most > 10*with.Most },
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
