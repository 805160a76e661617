package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"

	"github.com/lucia-go/lucia/benchmarks/contend"
	"github.com/lucia-go/lucia/benchmarks/measure"
)

// A contender in a process of its own has its own heap and garbage collector, as when it is
// deployed, and pays only for its own garbage. In a shared process, whichever contender runs at
// the time pays for the collector's work.

// instances is how many processes each contender gets. The median counts, because the placement
// of a process in memory is random and makes a difference of a fifth of a microsecond.
const instances = 3

// contenderFlag makes this program run as the process of a contender.
const contenderFlag = "contender"

// serveRounds runs the rounds that the parent asks for and answers with their cost. Each line of
// in is a number of requests.
func serveRounds(name string, o options, in io.Reader, out io.Writer) error {
	runtime.GOMAXPROCS(1)
	c, ok := contend.Named(name)
	if !ok {
		return fmt.Errorf("no contender is named %q", name)
	}
	app, err := c.New(contend.Env{Users: users, Redis: o.redis})
	if err != nil {
		return err
	}
	if app.Close != nil {
		defer app.Close()
	}
	d := contend.NewDriver(app.Handler, app.Cookies, page)
	if err := d.Check(c.Base == ""); err != nil {
		return err
	}
	defer contend.Hold(o.held)()
	for {
		var n int
		if _, err := fmt.Fscanln(in, &n); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		cost := measure.CostOf(d.Run, n)
		if _, err := fmt.Fprintln(out, int64(cost.CPU), cost.Allocs, cost.Bytes); err != nil {
			return err
		}
	}
}

// process starts a process of the contender. It ends with the context or when stop is called.
func process(ctx context.Context, o options, c contend.Contender) (w measure.Way, stop func() error, err error) {
	program, err := os.Executable()
	if err != nil {
		return w, nil, err
	}
	cmd := exec.CommandContext(ctx, program, "-"+contenderFlag, c.Name, "-held", strconv.Itoa(o.held), o.redis)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return w, nil, err
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return w, nil, err
	}
	out := bufio.NewReader(pipe)
	round := func(n int) (cost measure.Cost, err error) {
		if _, err := fmt.Fprintln(in, n); err != nil {
			return cost, err
		}
		_, err = fmt.Fscanln(out, &cost.CPU, &cost.Allocs, &cost.Bytes)
		return cost, err
	}
	stop = func() error {
		in.Close()
		return cmd.Wait()
	}
	return measure.Way{Name: c.Name, Elsewhere: round}, stop, cmd.Start()
}

// processes measures contenders side by side, each in processes of its own.
func processes(ctx context.Context, o options, list []contend.Contender) (map[string]measure.Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the processes that are left after an error
	var ways []measure.Way
	var stops []func() error
	for i := range instances {
		for _, c := range list {
			w, stop, err := process(ctx, o, c)
			if err != nil {
				return nil, err
			}
			w.Name = instance(c, i)
			ways, stops = append(ways, w), append(stops, stop)
		}
	}
	results, err := measure.SideBySide(ways, 1, measure.Effort{Rounds: pick(o, 20, 4), Round: round})
	if err != nil {
		return nil, err
	}
	for _, stop := range stops {
		if err := stop(); err != nil {
			return nil, err
		}
	}
	middle := map[string]measure.Result{}
	for _, c := range list {
		var all []measure.Result
		for i := range instances {
			all = append(all, results[instance(c, i)])
		}
		slices.SortFunc(all, func(a, b measure.Result) int { return int(a.Nanos - b.Nanos) })
		middle[c.Name] = all[instances/2]
	}
	return middle, nil
}

func instance(c contend.Contender, i int) string { return fmt.Sprint(c.Name, " #", i) }
