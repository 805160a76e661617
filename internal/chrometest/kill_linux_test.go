package chrometest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/chrometest"
	"github.com/lucia-go/lucia/internal/testenv"
)

// Most processes of a browser end by themselves when another one ends. The test adds a process to
// the group that does not, which shows that Kill ends all of them.
func TestKillEndsEveryProcess(t *testing.T) {
	t.Parallel()
	profile := t.TempDir()
	browser := chrometest.StartOn(t, profile)
	browser.Owner().Tab(t).Open("about:blank")
	leader := leaderOn(t, profile)
	if n := len(group(t, leader)); n < 3 {
		t.Errorf("%d processes of the browser are in its group", n)
	}
	stranger := exec.Command("sleep", "600")
	stranger.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: leader}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	browser.Kill(t)
	if err := stranger.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("a process of the group ended with %v, want SIGKILL", err)
	}
	awaitEnd(t, leader)
}

// profileOfTheOrphan names the profile on which the test binary, started by
// TestBrowserEndsWithItsTest, starts a browser.
const profileOfTheOrphan = "CHROMETEST_PROFILE"

// A killed test cannot clean up. The test suspends the browser, so that the browser does not end by
// itself because its pipe is closed.
func TestBrowserEndsWithItsTest(t *testing.T) {
	if profile := os.Getenv(profileOfTheOrphan); profile != "" {
		chrometest.StartOn(t, profile).Owner().Tab(t).Open("about:blank")
		fmt.Println("started")
		_, _ = io.Copy(io.Discard, os.Stdin) // open until the parent process ends
		return
	}
	t.Parallel()
	testenv.Require(t, "chromium")
	profile := t.TempDir()
	test := exec.Command(os.Args[0], "-test.run=^TestBrowserEndsWithItsTest$")
	test.Env = append(os.Environ(), profileOfTheOrphan+"="+profile)
	test.Stderr = os.Stderr
	in, err := test.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := test.StdoutPipe()
	if err == nil {
		err = test.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = test.Wait() }() // it was killed
	defer func() { _ = test.Process.Kill() }()
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "started" {
		t.Log(lines.Text())
	}
	leader := leaderOn(t, profile)
	suspend(t, leader)
	if err := test.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, leader)
}

// suspend stops a process (SIGSTOP). It kills the process at the end of the test if it still runs.
func suspend(t *testing.T, pid int) {
	t.Helper()
	process, err := os.FindProcess(pid) // a handle, so that a later process with the same id is not meant
	if err == nil {
		err = process.Signal(syscall.SIGSTOP)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Kill() })
}

// awaitEnd waits until no process of a group runs.
func awaitEnd(t *testing.T, leader int) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		left := group(t, leader)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("processes %v of the group %d still run", left, leader)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// leaderOn returns the process that leads the browser on a profile.
func leaderOn(t *testing.T, profile string) int {
	t.Helper()
	for pid, group := range groups(t) {
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if pid == group && bytes.Contains(args, []byte("--user-data-dir="+profile+"\x00")) {
			return pid
		}
	}
	t.Fatalf("no browser on %s leads a process group", profile)
	return 0
}

// group returns the processes of a group.
func group(t *testing.T, leader int) []int {
	t.Helper()
	var pids []int
	for pid, group := range groups(t) {
		if group == leader {
			pids = append(pids, pid)
		}
	}
	return pids
}

// groups returns the process group of every process that has not ended.
func groups(t *testing.T) map[int]int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	groups := map[int]int{}
	for _, file := range files {
		stat, _ := os.ReadFile(file) // empty if the process has ended
		// proc_pid_stat(5): after the name in parentheses, state, parent and group.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 3 || strings.Contains("ZX", fields[0]) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		groups[pid], _ = strconv.Atoi(fields[2])
	}
	return groups
}
