// Package measure measures several ways of doing one thing side by side, on a machine that may
// also do other work.
//
// It measures processor time, including garbage collection, and not elapsed time. The ways take
// turns in short rounds, so that other work on the machine affects all of them. The lower
// quartile of each way's rounds counts, because disturbances only add time.
package measure

import (
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// Way is one way of doing a thing.
type Way struct {
	Name string
	// Run does the thing n times.
	Run func(n int)
	// Elsewhere, if set, makes another process do the thing n times, instead of Run, and returns
	// its cost there.
	Elsewhere func(n int) (Cost, error)
}

// Cost is what something cost a process.
type Cost struct {
	CPU           time.Duration
	Allocs, Bytes uint64
}

// CostOf calls run with n and returns what that cost this process.
func CostOf(run func(int), n int) Cost {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := CPUTime()
	run(n)
	cpu := CPUTime() - start
	runtime.ReadMemStats(&after)
	return Cost{cpu, after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc}
}

func (w Way) cost(n int) (Cost, error) {
	if w.Elsewhere != nil {
		return w.Elsewhere(n)
	}
	return CostOf(w.Run, n), nil
}

// Result is the cost of doing the thing once.
type Result struct {
	Nanos  float64 // of processor time
	Allocs float64
	Bytes  float64
}

// Effort is how long to measure.
type Effort struct {
	Rounds int
	Round  time.Duration
}

// SideBySide measures the ways on procs processors and returns the results by name. A way that runs
// in another process uses the processors of that process.
func SideBySide(ways []Way, procs int, effort Effort) (map[string]Result, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	counts := make([]int, len(ways))
	results := map[string]Result{}
	for i, w := range ways {
		n, err := calibrate(w, effort.Round)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.Name, err)
		}
		counts[i] = n
	}
	times := make([][]float64, len(ways))
	for range effort.Rounds {
		for i, w := range ways {
			c, err := w.cost(counts[i])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.Name, err)
			}
			n := float64(counts[i])
			times[i] = append(times[i], float64(c.CPU)/n)
			results[w.Name] = Result{Allocs: float64(c.Allocs) / n, Bytes: float64(c.Bytes) / n}
		}
	}
	for i, w := range ways {
		slices.Sort(times[i])
		r := results[w.Name]
		r.Nanos = times[i][len(times[i])/4]
		results[w.Name] = r
	}
	return results, nil
}

// calibrate returns how many times a way can be run in about the time of a round. It also warms the
// way up. A way that mostly waits gets fewer runs.
func calibrate(w Way, round time.Duration) (int, error) {
	const patience = 5
	for n := 1; ; n *= 2 {
		start := time.Now()
		c, err := w.cost(n)
		if err != nil {
			return 0, err
		}
		took := max(c.CPU, time.Since(start)/patience)
		if took >= round/2 {
			return max(1, int(float64(n)*float64(round)/float64(took))), nil
		}
	}
}

// CPUTime returns the processor time that this process has used.
func CPUTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(fmt.Sprintf("measure: getrusage: %v", err)) // it cannot fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
