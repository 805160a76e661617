package testenv_test

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/testenv"
)

// echo starts a server that sends back each line that it receives, and reports the line on got.
func echo(t *testing.T) (addr string, got <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	lines := make(chan string, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for r := bufio.NewReader(c); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					lines <- line
					io.WriteString(c, line)
				}
			}()
		}
	}()
	return l.Addr().String(), lines
}

// say sends a line through the proxy and returns what has come back within limit.
func say(t *testing.T, c net.Conn, line string, limit time.Duration) (string, error) {
	t.Helper()
	if _, err := io.WriteString(c, line); err != nil {
		return "", err
	}
	c.SetReadDeadline(time.Now().Add(limit))
	return bufio.NewReader(c).ReadString('\n')
}

func TestProxy(t *testing.T) {
	t.Parallel()
	const soon, ample = 50 * time.Millisecond, time.Minute
	addr, got := echo(t)
	p := testenv.NewProxy(t, addr)
	dial := func() net.Conn {
		c, err := net.Dial("tcp", p.Addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}

	c := dial()
	if answer, err := say(t, c, "hello\n", ample); err != nil || answer != "hello\n" || <-got != "hello\n" {
		t.Fatalf("passing: %q, %v", answer, err)
	}

	p.Hold()
	if answer, err := say(t, c, "held\n", soon); err == nil {
		t.Fatalf("held: %q came through", answer)
	}
	c.Close() // data under way arrives nevertheless
	p.Pass()
	if line := <-got; line != "held\n" {
		t.Fatalf("after holding the server got %q", line)
	}

	p = testenv.NewProxy(t, addr) // the first one may still get the reply to "held"
	c = dial()
	p.LoseReply()
	if answer, err := say(t, c, "lost\n", ample); err == nil {
		t.Fatalf("a lost reply came through: %q", answer)
	}
	if line := <-got; line != "lost\n" {
		t.Fatalf("the server whose reply was lost got %q", line)
	}

	c = dial()
	p.Delay(2 * soon)
	start := time.Now()
	if answer, err := say(t, c, "late\n", ample); err != nil || answer != "late\n" || time.Since(start) < 4*soon {
		t.Fatalf("delayed: %q, %v after %v", answer, err, time.Since(start))
	}
	p.Delay(0)

	if n := p.Reset(); n == 0 {
		t.Fatal("no connection to reset")
	}
	if answer, err := say(t, c, "reset\n", ample); err == nil {
		t.Fatalf("after a reset: %q came through", answer)
	}
}
