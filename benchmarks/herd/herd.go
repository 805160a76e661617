// Package herd simulates the time after an outage. During the outage every access token has
// expired, so every open page has to refresh, and the store can do only so many refreshes a second.
//
// Pages do what the browser module does: they retry after 2^n seconds up to twice that, with n
// growing to 5, plus the time of Retry-After. Servers do what internal/engine does. Any number of
// requests wait for a place, first come, first served. A request holds its place until the store
// has done the call, so that the store never has more calls at once than there are places. A
// request that has no place at the end of its patience, which is half of its time, is answered 503
// with Retry-After and costs the store nothing. A request with a place is answered 503 when its
// time is up. The store still does its call, in vain, and the place becomes free only then.
//
// The store does its calls in the order of their arrival, at a steady rate, and never fails. The
// places of all processes are simulated as one pool, though each process has its own. A call in
// vain does not help its page, and no call is cut short when its time is up. This is a model in
// steps of 10 ms, not a load test.
package herd

import (
	"math/rand/v2"
	"time"
)

// World is the situation to simulate.
type World struct {
	Pages int
	// Tabs is how many tabs each person has open. With Coalesced they share one refresh, as with
	// the browser module.
	Tabs      int
	Coalesced bool
	// Jitter spreads the retries; without it a page waits exactly 2^n seconds.
	Jitter bool
	// Outage is how long the store did not answer. Pages noticed it at different times, as their
	// tokens expired.
	Outage time.Duration
	// Capacity is how many refreshes a second the store does.
	Capacity int
	// Places limits the calls that the store has at once; requests wait for a place. With 0 there
	// is no limit, and every request reaches the store at once.
	Places int
	// Timeout is the longest time of a request, including its wait for a place. After it the
	// request is answered 503 or, without places, its page gives up. In both cases the page asks
	// again later. If the store already has the call, it still does it.
	Timeout time.Duration
	// Patience is the longest time that a request waits for a place. A request that waited for
	// all of Timeout would have no time left for the call.
	Patience time.Duration
	// RetryAfter is the Retry-After of a 503. It is unused without places.
	RetryAfter time.Duration
}

// Result is the result of a simulation.
type Result struct {
	Peak    int           // most requests in a second
	AtStore int           // most calls at the store at once, those in vain included
	Waiting int           // most requests that waited for a place at once
	Late    int           // requests whose time was up, answered 503 or given up
	InVain  int           // calls the store did for requests whose time was up
	Half    time.Duration // until half of the pages were served
	All     time.Duration // until the last was; 0: not within the hour
}

const (
	step  = 10 * time.Millisecond
	limit = time.Hour
	steps = int(limit / step)
)

// page is one tab that wants to refresh.
type page struct {
	failures int
	arrived  int // step of its latest request
}

// game is a simulation in progress.
type game struct {
	World
	rng     *rand.Rand
	due     [][]int32 // by step: the pages that ask then
	pages   []page
	waiting []int32 // pages that wait for a place, in the order they came
	vain    int     // calls at the store whose time is up; they come before those of atStore
	// Pages with a call at the store that may still be in time, in the order they came.
	atStore []int32
	done    int
	perSec  []int
	result  Result
	serving float64 // refreshes that could have been done by now and were not
}

// Play runs a simulation to its end. The same seed gives the same result.
func Play(w World, seed uint64) Result {
	g := &game{World: w, rng: rand.New(rand.NewPCG(seed, seed)), due: make([][]int32, steps+1), perSec: make([]int, int(limit/time.Second)+1)}
	n := w.Pages
	if !w.Coalesced {
		n *= w.Tabs
	}
	g.pages = make([]page, n)
	for i := range g.pages {
		g.begin(int32(i))
	}
	for now := 0; now < steps && g.done < n; now++ {
		g.leave(now)
		g.arrive(now)
		g.serve()
		if g.done >= n/2 && g.result.Half == 0 {
			g.result.Half = time.Duration(now) * step
		}
		if g.done == n {
			g.result.All = time.Duration(now) * step
		}
	}
	for _, k := range g.perSec {
		g.result.Peak = max(g.result.Peak, k)
	}
	return g.result
}

// begin simulates a page during the outage: it fails and retries until its next attempt is after
// the end.
func (g *game) begin(i int32) {
	at := -time.Duration(g.rng.Int64N(int64(g.Outage)))
	for at < 0 {
		at += g.backoff(&g.pages[i])
	}
	g.ask(i, at)
}

func (g *game) backoff(p *page) time.Duration {
	d := time.Second << min(p.failures, 5)
	p.failures++
	if g.Jitter {
		d += time.Duration(g.rng.Int64N(int64(d)))
	}
	return d
}

func (g *game) ask(i int32, at time.Duration) {
	if s := int(at / step); s <= steps {
		g.due[s] = append(g.due[s], i)
	}
}

// leave answers the requests whose time is up. All requests have the same time, and both lists are
// in the order of arrival, so these are the first ones of atStore and of waiting.
func (g *game) leave(now int) {
	for len(g.atStore) > 0 && g.late(g.atStore[0], now) {
		g.again(g.atStore[0], now)
		g.atStore = g.atStore[1:]
		g.vain++ // the call holds its place until the store has done it
	}
	for len(g.waiting) > 0 && g.since(g.waiting[0], now) >= g.Patience {
		g.again(g.waiting[0], now)
		g.waiting = g.waiting[1:]
	}
}

func (g *game) late(i int32, now int) bool { return g.since(i, now) >= g.Timeout }

// since returns how long ago a page asked last.
func (g *game) since(i int32, now int) time.Duration {
	return time.Duration(now-g.pages[i].arrived) * step
}

// again schedules the next attempt of a page that was not served in time.
func (g *game) again(i int32, now int) {
	g.result.Late++
	wait := g.backoff(&g.pages[i])
	if g.Places > 0 {
		wait += g.RetryAfter
	}
	g.ask(i, time.Duration(now)*step+wait)
}

// arrive makes the pages of a step ask.
func (g *game) arrive(now int) {
	g.perSec[now/int(time.Second/step)] += len(g.due[now])
	for _, i := range g.due[now] {
		g.pages[i].arrived = now
	}
	g.waiting = append(g.waiting, g.due[now]...)
	g.due[now] = nil
	g.enter()
	g.result.Waiting = max(g.result.Waiting, len(g.waiting))
}

// enter gives free places to waiting requests. Without places there is always a free one.
func (g *game) enter() {
	n := len(g.waiting)
	if g.Places > 0 {
		n = min(n, g.Places-g.vain-len(g.atStore))
	}
	g.atStore = append(g.atStore, g.waiting[:n]...)
	g.waiting = g.waiting[n:]
	g.result.AtStore = max(g.result.AtStore, g.vain+len(g.atStore))
}

// serve makes the store do the calls of a step. Each call that is done frees its place.
func (g *game) serve() {
	perStep := float64(g.Capacity) * step.Seconds()
	g.serving = min(g.serving+perStep, 2*perStep)
	for ; g.serving >= 1; g.serving-- {
		switch {
		case g.vain > 0:
			g.vain--
			g.result.InVain++
		case len(g.atStore) > 0:
			g.atStore = g.atStore[1:]
			g.done++
		default:
			return
		}
		g.enter()
	}
}
