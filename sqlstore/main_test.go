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

// childVariable is set, to an errand, in processes of this binary that tests start as a second
// app on the same database.
const childVariable = "SQLSTORE_CHILD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		var e errand
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			panic(err)
		}
		e.run()
		return
	}
	os.Exit(m.Run())
}

// errand is the work of another process.
type errand struct {
	Driver, URL string
	Do          string // "refresh", "sign in" or the name of a step
	// Callers at once call the store when the process is told to begin.
	Callers int
	Params  session.RefreshParams
	// The process kills itself at that statement, counted from 1, before or after it.
	Statement int
	After     bool
}

func (e errand) database() database {
	for _, d := range []sqlstore.Dialect{sqlstore.Postgres, sqlstore.SQLite} {
		if (d == sqlstore.Postgres) == (e.Driver == "pgx") {
			return database{e.Driver, e.URL, d}
		}
	}
	panic("unknown driver")
}

// start starts the process. It ends with the test.
func (e errand) start(t *testing.T) (*exec.Cmd, io.WriteCloser, *bufio.Reader) {
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

// complain ends the process of a failed errand.
func complain(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run is the process of an errand.
func (e errand) run() {
	t := &childTB{}
	switch e.Do {
	case "refresh", "sign in":
		e.together(e.database().store(t, unhurried))
	case "churn":
		e.churn(e.database().store(t, unhurried))
	default:
		seen := 0
		db := e.database().tapped(t, func(_ string, done bool) {
			if !done {
				seen++
			}
			if seen == e.Statement && done == e.After {
				self, err := os.FindProcess(os.Getpid())
				complain(err)
				complain(self.Kill())
				select {}
			}
		})
		for _, s := range steps {
			if s.name == e.Do {
				_, err := s.call(context.Background(), sqlstore.New(db, e.database().dialect, unhurried))
				complain(err)
				return
			}
		}
		complain(fmt.Errorf("no step %q", e.Do))
	}
}

// together reports that it is ready, waits for the signal, and makes all callers call.
func (e errand) together(s *sqlstore.Store) {
	fmt.Println("ready")
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	complain(err)
	results := make([]session.RefreshResult, e.Callers)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			ctx := context.Background()
			if e.Do == "sign in" {
				_, err := s.Create(ctx, session.CreateParams{UserID: e.Params.UserID, ID: session.NewID(), Policy: e.Params.Policy, Max: 5})
				complain(err)
				live, err := s.List(ctx, e.Params.UserID)
				complain(err)
				if len(live) > 5 {
					complain(fmt.Errorf("%d sessions, want at most 5", len(live)))
				}
				return
			}
			r, err := s.Refresh(ctx, e.Params)
			complain(err)
			results[i] = r
		})
	}
	wg.Wait()
	complain(json.NewEncoder(os.Stdout).Encode(results))
}

// churn reports that it is ready and calls the store until the process is killed.
func (e errand) churn(s *sqlstore.Store) {
	ctx := context.Background()
	complain(s.DeleteUser(ctx, "other"))
	fmt.Println("ready")
	var wg sync.WaitGroup
	for range e.Callers {
		wg.Go(func() {
			for {
				id := session.NewID()
				_, err := s.Create(ctx, session.CreateParams{UserID: "other", ID: id, Policy: long, Max: 5})
				complain(err)
				_, err = s.Refresh(ctx, session.RefreshParams{UserID: "other", ID: id, Presented: session.Presentation{Generation: 1}, Policy: long})
				complain(err)
				complain(s.Delete(ctx, "other", id))
			}
		})
	}
	wg.Wait()
}

// childTB is a testing.TB for helpers, in a process that is not a test.
type childTB struct{ testing.TB }

func (*childTB) Helper()        {}
func (*childTB) Cleanup(func()) {}
func (*childTB) Fatal(args ...any) {
	complain(fmt.Errorf("%v", args))
}
