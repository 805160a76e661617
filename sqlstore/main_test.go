package sqlstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/sqlstore"
)

// childVariable is the environment variable that makes this test binary run a childTask, as a
// second process of an app on the same database.
const childVariable = "SQLSTORE_CHILD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		var e childTask
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			panic(err)
		}
		e.run()
		return
	}
	os.Exit(m.Run())
}

// childTask is what another process does.
type childTask struct {
	Driver, URL string
	Do          string // "refresh", "sign in" or the name of a step
	// Callers is how many goroutines call the store when the process is told to begin.
	Callers int
	Params  session.RefreshParams
	// The process kills itself before or after the statement with this number, counted from 1.
	Statement int
	After     bool
}

func (e childTask) database() database {
	for _, d := range []sqlstore.Dialect{sqlstore.Postgres, sqlstore.SQLite} {
		if (d == sqlstore.Postgres) == (e.Driver == "pgx") {
			return database{e.Driver, e.URL, d}
		}
	}
	panic("unknown driver")
}

// start starts the process, which ends with the test.
func (e childTask) start(t *testing.T) (*exec.Cmd, io.WriteCloser, *bufio.Reader) {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	for _, err := range []error{errIn, errOut} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in, bufio.NewReader(out)
}

// exitOnError ends the process if err is not nil.
func exitOnError(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run does the task in this process.
func (e childTask) run() {
	t := &childTB{}
	switch e.Do {
	case "refresh", "sign in":
		e.callTogether(e.database().store(t, longTimeout))
	case "churn":
		e.churn(e.database().store(t, longTimeout))
	default:
		seen := 0
		db := e.database().tapped(t, func(_ string, done bool) {
			if !done {
				seen++
			}
			if seen == e.Statement && done == e.After {
				self, err := os.FindProcess(os.Getpid())
				exitOnError(err)
				exitOnError(self.Kill())
				select {}
			}
		})
		for _, s := range killed {
			if s.name == e.Do {
				_, err := s.call(context.Background(), sqlstore.New(db, e.database().dialect, longTimeout))
				exitOnError(err)
				return
			}
		}
		exitOnError(fmt.Errorf("no step %q", e.Do))
	}
}

// callTogether reports that it is ready, waits for a line on stdin, and then starts all callers.
func (e childTask) callTogether(s *sqlstore.Store) {
	fmt.Println("ready")
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	exitOnError(err)
	results := make([]session.RefreshResult, e.Callers)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			ctx := context.Background()
			if e.Do == "sign in" {
				_, err := s.Create(ctx, session.CreateParams{UserID: e.Params.UserID, ID: session.NewID(), Policy: e.Params.Policy, Max: 5})
				exitOnError(err)
				live, err := s.List(ctx, e.Params.UserID)
				exitOnError(err)
				if len(live) > 5 {
					exitOnError(fmt.Errorf("%d sessions, want at most 5", len(live)))
				}
				return
			}
			r, err := s.Refresh(ctx, e.Params)
			exitOnError(err)
			results[i] = r
		})
	}
	wg.Wait()
	exitOnError(json.NewEncoder(os.Stdout).Encode(results))
}

// churn reports that it is ready and calls the store until the process is killed.
func (e childTask) churn(s *sqlstore.Store) {
	ctx := context.Background()
	exitOnError(s.DeleteUser(ctx, "other"))
	fmt.Println("ready")
	var wg sync.WaitGroup
	for range e.Callers {
		wg.Go(func() {
			for {
				id := session.NewID()
				_, err := s.Create(ctx, session.CreateParams{UserID: "other", ID: id, Policy: long, Max: 5})
				exitOnError(err)
				_, err = s.Refresh(ctx, session.RefreshParams{UserID: "other", ID: id, Presented: session.Presentation{Generation: 1}, Policy: long})
				exitOnError(err)
				exitOnError(s.Delete(ctx, "other", id))
			}
		})
	}
	wg.Wait()
}

// childTB is a testing.TB for helpers that run in a child process.
type childTB struct{ testing.TB }

func (*childTB) Helper()        {}
func (*childTB) Cleanup(func()) {}
func (*childTB) Fatal(args ...any) {
	exitOnError(fmt.Errorf("%v", args))
}
