package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/benchmarks/herd"
)

// herds simulates the hour after an outage of one Redis, with and without the measures that spread
// the refreshes over time.
func herds(_ context.Context, o options) error {
	world := herd.World{
		Pages: pick(o, 500_000, 250_000), Tabs: 2, Coalesced: true, Jitter: true, Outage: 20 * time.Minute,
		Capacity: pick(o, 5_000, 2_500), Places: pick(o, 2, 1) * 1024,
		Timeout: lucia.DefaultTimeout, Patience: lucia.DefaultTimeout / 2, RetryAfter: 2 * time.Second,
	}
	t := newTable("what is in place", "most requests in a second", "most at the store at once", "most waiting for a place", "answered 503 or given up", "store calls in vain", "half served after", "all served after")
	for _, c := range []struct {
		name   string
		change func(*herd.World)
	}{
		{"all of it", func(*herd.World) {}},
		{"tabs do not share a refresh", func(w *herd.World) { w.Coalesced = false }},
		{"retries without jitter", func(w *herd.World) { w.Jitter = false }},
		{"waiting for a place all the time there is", func(w *herd.World) { w.Patience = w.Timeout }},
		{"no bound on what is at the store", func(w *herd.World) { w.Places = 0 }},
		{"none of it", func(w *herd.World) { w.Places, w.Coalesced, w.Jitter = 0, false, false }},
	} {
		w := world
		c.change(&w)
		r := herd.Play(w, 1)
		t.add(c.name, fmt.Sprint(r.Peak), fmt.Sprint(r.AtStore), fmt.Sprint(r.Waiting), fmt.Sprint(r.Late), fmt.Sprint(r.InVain), within(r.Half), within(r.All))
	}
	t.print(fmt.Sprintf("The herd after an outage: %d people with %d tabs each, %v down, %d refreshes a second (simulated)",
		world.Pages, world.Tabs, world.Outage, world.Capacity))
	return nil
}

// within formats a time within the simulated hour.
func within(d time.Duration) string {
	if d == 0 {
		return "not within the hour"
	}
	return d.Round(time.Second).String()
}
