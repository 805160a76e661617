package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
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

// whole compares whole processes under wrk with 32 connections. The server runs on one core and
// the load generator on another.
func whole(ctx context.Context, o options) error {
	for _, tool := range []string{"wrk", "taskset"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Printf("\nThe measurements of whole processes are omitted: %v.\n", err)
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
	runs   []sample
}

// sample is the result of one run under load.
type sample struct {
	rate float64 // requests a second
	cpu  float64 // seconds of processor time that the server took for each
}

// inProcesses are the contenders that are measured as processes: the fast ones, and one of each
// other kind.
var inProcesses = []string{
	"net/http, bare handler", "echo, bare handler", "echo v5, bare handler", "gin, bare handler",
	"**lucia** on net/http", "**lucia** on echo", "**lucia** on echo v5", "**lucia** on gin",
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

// load puts the servers under load in turn.
func load(ctx context.Context, o options, servers []*server) error {
	rounds, length := pick(o, 4, 1), pick(o, 2*time.Second, time.Second)
	for range rounds {
		for _, s := range servers {
			r, err := wrk(ctx, s, length)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			s.runs = append(s.runs, r)
		}
	}
	return nil
}

var (
	rateLine   = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	countLine  = regexp.MustCompile(`([0-9]+) requests in`)
	statusLine = regexp.MustCompile(`(?m)^\s*(Non-2xx.*|Socket errors.*)$`)
)

func wrk(ctx context.Context, s *server, length time.Duration) (sample, error) {
	before, err := processorTime(s.cmd.Process.Pid)
	if err != nil {
		return sample{}, err
	}
	cmd := exec.CommandContext(ctx, "taskset", "-c", "1", "wrk", "-t1", "-c32", "-d"+length.String(), "-s", s.script, "http://"+s.addr)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	after, err := processorTime(s.cmd.Process.Pid)
	if err != nil {
		return sample{}, err
	}
	if bad := statusLine.Find(out); bad != nil {
		return sample{}, fmt.Errorf("wrk: %s", bad)
	}
	rate, count := rateLine.FindSubmatch(out), countLine.FindSubmatch(out)
	if rate == nil || count == nil {
		return sample{}, fmt.Errorf("wrk printed no rate:\n%s", out)
	}
	perSecond, err1 := strconv.ParseFloat(string(rate[1]), 64)
	requests, err2 := strconv.ParseFloat(string(count[1]), 64)
	return sample{perSecond, (after - before).Seconds() / requests}, errors.Join(err1, err2)
}

// processorTime returns the processor time that a process has used, to a hundredth of a second.
func processorTime(pid int) (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The fields after the name, which may contain spaces: state, ppid, …, utime, stime.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	const utime, stime = 11, 12
	if len(fields) <= stime {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	user, err1 := strconv.Atoi(fields[utime])
	system, err2 := strconv.Atoi(fields[stime])
	return time.Duration(user+system) * (time.Second / 100), errors.Join(err1, err2)
}

// printWhole prints the best runs. The last column is the bare handler's processor time for a
// request, divided by that of the server. It is the steadier figure on a machine that also does
// other work.
func printWhole(servers []*server) {
	rates, costs := map[string]float64{}, map[string]float64{}
	for _, s := range servers {
		rates[s.Name] = slices.MaxFunc(s.runs, func(a, b sample) int { return cmp.Compare(a.rate, b.rate) }).rate
		costs[s.Name] = slices.MinFunc(s.runs, func(a, b sample) int { return cmp.Compare(a.cpu, b.cpu) }).cpu
	}
	t := newTable("whole process, one core, 32 connections", "requests a second", "against bare", "server's processor time", "bare's against it")
	for _, s := range servers {
		base := cmp.Or(s.Base, s.Name)
		t.add(s.Name, thousands(rates[s.Name]), ratio(rates[s.Name], rates[base]), micros(1e9*costs[s.Name]), ratio(costs[base], costs[s.Name]))
	}
	t.print("Whole processes under wrk")
}
