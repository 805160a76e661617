// Package herd plays the morning after an outage: every access token has expired
// meanwhile, every page that is open wants to refresh, and the servers can do so
// many refreshes a second and hold so many requests at once.
//
// Pages do what the browser module does: they try again after 2^n seconds and up
// to twice that, n growing to 5, plus what Retry-After says; servers what the
// middleware does: a request that finds no place within its timeout is answered
// 503 with Retry-After. It is a model in steps of 10 ms, not a load test.
package herd

import (
	"math/rand/v2"
	"time"
)

// World says what is played.
type World struct {
	Pages int
	// Tabs is how many tabs each person has open. With Coalesced they share one
	// refresh, as the browser module's tabs do.
	Tabs      int
	Coalesced bool
	// Jitter spreads the retries; without it a page waits exactly 2^n seconds.
	Jitter bool
	// Outage is how long nothing answered. Pages noticed at some moment of it,
	// each on its own, as their tokens expired.
	Outage time.Duration
	// Capacity is how many refreshes a second the store does.
	Capacity int
	// Places bounds the requests that wait, Timeout how long. Without places
	// (0) everything waits as long as it takes, and what has waited longer than
	// Timeout is done in vain: its page has given up and asks again.
	Places  int
	Timeout time.Duration
	// RetryAfter is what a refusal says.
	RetryAfter time.Duration
}

// Result is what came of it.
type Result struct {
	Peak    int           // most requests in a second
	Refused int           // answered 503 at once or in vain
	Half    time.Duration // until half of the pages were served
	All     time.Duration // until the last was; 0: not within the hour
	Most    int           // requests that waited at once
}

const (
	step  = 10 * time.Millisecond
	limit = time.Hour
	steps = int(limit / step)
)

// page is one tab that wants to refresh.
type page struct {
	failures int
	arrived  int // step at which it joined the queue
}

// game is a world in play.
type game struct {
	World
	rng     *rand.Rand
	due     [][]int32 // by step: the pages that ask then
	pages   []page
	queue   []int32
	done    int
	perSec  []int
	result  Result
	serving float64 // refreshes that could have been done by now and were not
}

// Play plays a world to its end. The same seed plays the same game.
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
		g.arrive(now)
		g.serve(now)
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

// begin plays a page's part of the outage: it fails and retries until its next
// try falls after the end.
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

// arrive lets the pages of a step ask.
func (g *game) arrive(now int) {
	g.perSec[now/int(time.Second/step)] += len(g.due[now])
	for _, i := range g.due[now] {
		if g.Places > 0 && len(g.queue) >= g.Places {
			g.refuse(i, now)
			continue
		}
		g.pages[i].arrived = now
		g.queue = append(g.queue, i)
	}
	g.due[now] = nil
	g.result.Most = max(g.result.Most, len(g.queue))
}

// serve does the refreshes of a step, first come, first served.
func (g *game) serve(now int) {
	perStep := float64(g.Capacity) * step.Seconds()
	g.serving = min(g.serving+perStep, 2*perStep)
	for g.serving >= 1 && len(g.queue) > 0 {
		i := g.queue[0]
		g.queue = g.queue[1:]
		late := time.Duration(now-g.pages[i].arrived)*step > g.Timeout
		if late && g.Places > 0 {
			g.refuse(i, now) // its time was up: nothing is asked of the store
			continue
		}
		g.serving--
		if late {
			g.refuse(i, now)
			continue
		}
		g.done++
	}
}

func (g *game) refuse(i int32, now int) {
	g.result.Refused++
	wait := g.backoff(&g.pages[i])
	if g.Places > 0 {
		wait += g.RetryAfter
	}
	g.ask(i, time.Duration(now+1)*step+wait)
}
