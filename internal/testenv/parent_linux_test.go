package testenv_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/testenv"
)

// startsAServer is set when this test runs itself again, to be killed.
const startsAServer = "TESTENV_STARTS_A_SERVER"

func TestServersEndWithATestThatIsKilled(t *testing.T) {
	if os.Getenv(startsAServer) != "" {
		os.Stdout.WriteString(strconv.Itoa(testenv.Redis(t).PID()) + "\n")
		select {}
	}
	testenv.Require(t, "redis")
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), startsAServer+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	pid, err := strconv.Atoi(line[:max(0, len(line)-1)])
	if err != nil {
		t.Fatalf("the test printed %q, want a process id", line)
	}
	for begin := time.Now(); runs(pid); time.Sleep(time.Millisecond) {
		if time.Since(begin) > time.Minute {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the server is alive after the test that started it")
		}
	}
}

// runs reports whether a process exists and is no zombie.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
