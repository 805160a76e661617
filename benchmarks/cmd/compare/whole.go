package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lucia-go/lucia/benchmarks/contend"
)

// whole compares processes as wrk sees them: 32 connections, the server on one
// core, the generator on another.
func whole(ctx context.Context, o options) error {
	for _, tool := range []string{"wrk", "taskset"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Printf("\nWhole processes are left out: %v.\n", err)
			return nil
		}
	}
	dir, err := os.MkdirTemp("", "lucia-bench-wrk-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "serve")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/serve").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	servers, stop, err := serveAll(ctx, o, binary, dir)
	defer stop()
	if err != nil {
		return err
	}
	if err := load(ctx, o, servers); err != nil {
		return err
	}
	printWhole(servers)
	return nil
}

// server is a contender in a process of its own.
type server struct {
	contend.Contender
	cmd    *exec.Cmd
	addr   string
	script string
	rates  []float64
}

// inProcesses are the contenders that are worth a process: the fast ones, and
// one of each kind of the others.
var inProcesses = []string{
	"net/http, bare handler", "echo, bare handler", "gin, bare handler",
	"**lucia** on net/http", "**lucia** on echo", "**lucia** on gin",
	"golang-jwt v5 by hand, fingerprint", "echo-jwt v4", "gin-jwt v3", "scs v2, memory", "scs v2, Redis",
}

func serveAll(ctx context.Context, o options, binary, dir string) (servers []*server, stop func(), err error) {
	stop = func() {
		for _, s := range servers {
			s.cmd.Process.Kill()
			s.cmd.Wait() // killed
		}
	}
	for i, name := range inProcesses {
		c, ok := contend.Named(name)
		if !ok {
			return servers, stop, fmt.Errorf("no contender is named %q", name)
		}
		s := &server{Contender: c, script: filepath.Join(dir, strconv.Itoa(i)+".lua")}
		s.cmd = exec.CommandContext(ctx, "taskset", "-c", "0", binary, "-name", name, "-redis", o.redis, "-held", strconv.Itoa(o.held), "-script", s.script)
		s.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		out, err := s.cmd.StdoutPipe()
		if err != nil {
			return servers, stop, err
		}
		if err := s.cmd.Start(); err != nil {
			return servers, stop, err
		}
		servers = append(servers, s)
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			return servers, stop, fmt.Errorf("%s did not start: %w", name, err)
		}
		s.addr = strings.TrimSpace(line)
	}
	return servers, stop, nil
}

// load lets the servers take turns under load.
func load(ctx context.Context, o options, servers []*server) error {
	rounds, length := pick(o, 4, 1), pick(o, 2*time.Second, time.Second)
	for range rounds {
		for _, s := range servers {
			rate, err := wrk(ctx, s, length)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			s.rates = append(s.rates, rate)
		}
	}
	return nil
}

var (
	rateLine   = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	statusLine = regexp.MustCompile(`(?m)^\s*(Non-2xx.*|Socket errors.*)$`)
)

func wrk(ctx context.Context, s *server, length time.Duration) (perSecond float64, err error) {
	cmd := exec.CommandContext(ctx, "taskset", "-c", "1", "wrk", "-t1", "-c32", "-d"+length.String(), "-s", s.script, "http://"+s.addr)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	if bad := statusLine.Find(out); bad != nil {
		return 0, fmt.Errorf("wrk: %s", bad)
	}
	m := rateLine.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("wrk printed no rate:\n%s", out)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

func printWhole(servers []*server) {
	rates := map[string]float64{}
	for _, s := range servers {
		rates[s.Name] = slices.Max(s.rates)
	}
	t := newTable("whole process, one core, 32 connections", "requests a second", "against bare")
	for _, s := range servers {
		if s.Base == "" {
			t.add(s.Name, thousands(rates[s.Name]), "1.00")
			continue
		}
		t.add(s.Name, thousands(rates[s.Name]), ratio(rates[s.Name], rates[s.Base]))
	}
	t.print("Whole processes under wrk")
}
