package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/lucia-go/lucia/benchmarks/contend"
	"github.com/lucia-go/lucia/benchmarks/measure"
)

// users is the number of users that the requests rotate over.
const users = 1024

const (
	page  = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	fetch = "*/*"
)

// contender is a contender whose app is running.
type contender struct {
	contend.Contender
	app *contend.App
}

// start starts the apps and checks that each shows every user the right page.
func start(o options, list []contend.Contender) (up []contender, stop func(), err error) {
	stop = func() {
		for _, c := range up {
			if c.app.Close != nil {
				c.app.Close()
			}
		}
	}
	for _, c := range list {
		app, err := c.New(contend.Env{Users: users, Redis: o.redis})
		if err == nil {
			up = append(up, contender{c, app})
			err = contend.NewDriver(app.Handler, app.Cookies, page).Check(c.Base == "")
		}
		if err != nil {
			stop()
			return nil, nil, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return up, stop, nil
}

// requests compares what an authenticated request costs.
func requests(ctx context.Context, o options) error {
	list := contend.All()
	results, err := processes(ctx, o, list)
	if err != nil {
		return err
	}
	ours := added(results, "**lucia** on net/http", "net/http, bare handler")
	t := newTable("authenticated request, one core", "all", "over bare", "allocations over bare", "against lucia", "leaves out")
	for _, c := range list {
		r := results[c.Name]
		if c.Base == "" {
			t.add(c.Name, micros(r.Nanos), "", "", "", "")
			continue
		}
		over := added(results, c.Name, c.Base)
		t.add(c.Name, micros(r.Nanos), micros(over.Nanos), fmt.Sprintf("%.0f", math.Round(over.Allocs)), ratio(over.Nanos, ours.Nanos), c.Omits)
	}
	t.print("Requests with a session")
	return anonymous(o)
}

// round is long enough that each contender's garbage causes collections within it.
const round = 40 * time.Millisecond

func effort(o options) measure.Effort {
	return measure.Effort{Rounds: pick(o, 100, 16), Round: 10 * time.Millisecond}
}

// added returns the cost of name minus that of base.
func added(results map[string]measure.Result, name, base string) measure.Result {
	r, b := results[name], results[base]
	return measure.Result{Nanos: r.Nanos - b.Nanos, Allocs: r.Allocs - b.Allocs, Bytes: r.Bytes - b.Bytes}
}

// anonymous measures requests without a session.
func anonymous(o options) error {
	defer contend.Hold(o.held)()
	handler, err := contend.Anonymous(nil)
	if err != nil {
		return err
	}
	skipping, err := contend.Anonymous(func(r *http.Request) bool { return r.URL.Path == contend.Path })
	if err != nil {
		return err
	}
	const bare, other, nav, skipped = "bare", "anonymous: image, file, call of a program", "anonymous: page navigation", "page that Config.Skip names"
	ways := []measure.Way{
		{Name: bare, Run: contend.NewDriver(http.HandlerFunc(contend.Hello), nil, fetch).Run},
		{Name: other, Run: contend.NewDriver(handler, nil, fetch).Run},
		{Name: nav, Run: contend.NewDriver(handler, nil, page).Run},
		{Name: skipped, Run: contend.NewDriver(skipping, nil, page).Run},
	}
	results, err := measure.SideBySide(ways, 1, effort(o))
	if err != nil {
		return err
	}
	t := newTable("anonymous request, one core", "over bare", "allocations", "bytes")
	for _, name := range []string{other, nav, skipped} {
		r := added(results, name, bare)
		t.add(name, fmt.Sprintf("%.0f ns", r.Nanos), fmt.Sprintf("%.0f", r.Allocs), fmt.Sprintf("%.0f", r.Bytes))
	}
	t.print("Requests without a session")
	return nil
}

// callers shows that the cost does not grow with the number of concurrent callers.
func callers(_ context.Context, o options) error {
	up, stop, err := start(o, contend.All()[:4]) // bare and lucia on net/http among them
	if err != nil {
		return err
	}
	defer stop()
	bare, ours := up[0], up[3]
	t := newTable("callers, two cores", "bare", "lucia", "lucia over bare")
	for _, n := range []int{1, 2, 8, 64} {
		results, err := measure.SideBySide([]measure.Way{
			{Name: "bare", Run: together(bare.app, n)}, {Name: "lucia", Run: together(ours.app, n)},
		}, 2, effort(o))
		if err != nil {
			return err
		}
		t.add(fmt.Sprint(n), micros(results["bare"].Nanos), micros(results["lucia"].Nanos), micros(added(results, "lucia", "bare").Nanos))
	}
	t.print("Concurrent callers")
	return nil
}

// together returns a function that sends a number of requests from n concurrent callers.
func together(app *contend.App, n int) func(int) {
	drivers := make([]*contend.Driver, n)
	for i := range drivers {
		drivers[i] = contend.NewDriver(app.Handler, app.Cookies, page).Skip(i * users / n)
	}
	return func(total int) {
		var wg sync.WaitGroup
		for _, d := range drivers {
			wg.Go(func() { d.Run((total + n - 1) / n) })
		}
		wg.Wait()
	}
}
