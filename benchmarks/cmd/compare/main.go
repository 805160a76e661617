// Compare measures lucia beside other libraries that do the same work and prints Markdown tables.
// It needs redis-server, which it starts on a free loopback port. The measurements of whole
// processes also need wrk and taskset. If one of these two is missing, Compare reports that and
// omits this part.
//
//	go run ./cmd/compare          all, in about four minutes
//	go run ./cmd/compare -quick   fewer and shorter rounds, in about one
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/lucia-go/lucia/benchmarks/contend"
	"github.com/lucia-go/lucia/benchmarks/local"
)

// options are the settings of the parts.
type options struct {
	quick bool
	redis string // address
	held  int    // MiB that each process holds beside its contender
}

// pick returns the value for the full or the quick run.
func pick[T any](o options, full, quick T) T {
	if o.quick {
		return quick
	}
	return full
}

// parts are the measurements, in the order of the report.
var parts = []struct {
	name string
	run  func(context.Context, options) error
}{
	{"requests", requests},
	{"pages", pages},
	{"steps", steps},
	{"callers", callers},
	{"sessions", liveSessions},
	{"refresh", refreshes},
	{"whole", whole},
	{"herd", herds},
}

func main() {
	quick := flag.Bool("quick", false, "measure in fewer and shorter rounds")
	only := flag.String("only", "", "comma-separated `parts`: requests, pages, steps, callers, sessions, refresh, whole, herd")
	held := flag.Int("held", contend.Held, "MiB of memory that each process holds beside its contender")
	contender := flag.String(contenderFlag, "", "serve the rounds of a `contender` over stdin and stdout; used by this program itself")
	flag.Parse()
	if *contender != "" {
		if err := serveRounds(*contender, options{redis: flag.Arg(0), held: *held}, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintf(os.Stderr, "compare: %s: %v\n", *contender, err)
			os.Exit(1)
		}
		return
	}
	// If the reader of the output exits, SIGPIPE ends this process and its Redis, too.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	defer stop()
	if err := run(ctx, options{quick: *quick, held: *held}, *only); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, only string) error {
	start := time.Now()
	server, err := local.StartRedis(ctx)
	if err != nil {
		return err
	}
	defer server.Stop()
	o.redis = server.Addr
	fmt.Printf("%s, %s, %s, %d cores, Redis on the same machine\n", start.UTC().Format(time.DateOnly), runtime.Version(), processor(), runtime.NumCPU())
	for _, p := range parts {
		if only != "" && !strings.Contains(","+only+",", ","+p.name+",") {
			continue
		}
		if err := p.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	fmt.Printf("\nTook %v.\n", time.Since(start).Round(time.Second))
	return nil
}

// processor returns the name of the processor if the system provides it.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo") // absent: not Linux
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
