// Package measure measures several ways of doing one thing side by side, on a
// machine that may have other work to do.
//
// What is measured is processor time, garbage collection included, and not the
// time on the wall. The ways take turns in short rounds, so that whatever else
// happens on the machine happens to all of them, and of each way's rounds the
// lower quartile counts: disturbance only ever adds.
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
}

// Result is what one time costs.
type Result struct {
	Nanos  float64 // of processor time
	Allocs float64
	Bytes  float64
}

// Effort says how long to measure.
type Effort struct {
	Rounds int
	Round  time.Duration
}

// SideBySide measures the ways on procs processors. The results are by name.
func SideBySide(ways []Way, procs int, effort Effort) map[string]Result {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	counts := make([]int, len(ways))
	results := map[string]Result{}
	for i, w := range ways {
		counts[i] = calibrate(w, effort.Round)
		results[w.Name] = allocations(w, counts[i])
	}
	times := make([][]float64, len(ways))
	for range effort.Rounds {
		for i, w := range ways {
			start := CPUTime()
			w.Run(counts[i])
			times[i] = append(times[i], float64(CPUTime()-start)/float64(counts[i]))
		}
	}
	for i, w := range ways {
		slices.Sort(times[i])
		r := results[w.Name]
		r.Nanos = times[i][len(times[i])/4]
		results[w.Name] = r
	}
	return results
}

// calibrate returns how many times take about as long as a round, after some
// that warm everything up. What mostly waits for others gets fewer.
func calibrate(w Way, round time.Duration) int {
	const patience = 5
	for n := 1; ; n *= 2 {
		start, cpu := time.Now(), CPUTime()
		w.Run(n)
		took := max(CPUTime()-cpu, time.Since(start)/patience)
		if took >= round/2 {
			return max(1, int(float64(n)*float64(round)/float64(took)))
		}
	}
}

func allocations(w Way, n int) Result {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w.Run(n)
	runtime.ReadMemStats(&after)
	return Result{
		Allocs: float64(after.Mallocs-before.Mallocs) / float64(n),
		Bytes:  float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
	}
}

// CPUTime returns the processor time that this process has used.
func CPUTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(fmt.Sprintf("measure: getrusage: %v", err)) // it has no way to fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
