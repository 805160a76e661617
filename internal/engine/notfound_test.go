package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/session"
)

// concealed is an error whose text does not contain its cause.
type concealed struct{ cause error }

func (concealed) Error() string { return "cannot load the user" }

func (c concealed) Unwrap() error { return c.cause }

// If the error of LoadUser most likely means that the user does not exist but is not
// ErrUserNotFound, no session ends and the log says what to return.
func TestLogNamesErrUserNotFoundIfAQueryFindsNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		hint bool
	}{
		"database/sql":      {sql.ErrNoRows, true},
		"wrapped":           {fmt.Errorf("users: %w", sql.ErrNoRows), true},
		"hidden":            {concealed{sql.ErrNoRows}, true},
		"joined":            {concealed{errors.Join(errors.New("a"), concealed{sql.ErrNoRows})}, true},
		"pgx before 5.7":    {errors.New("no rows in result set"), true},
		"gorm":              {errors.New("record not found"), true},
		"MongoDB":           {errors.New("mongo: no documents in result"), true},
		"go-redis":          {errors.New("redis: nil"), true},
		"ent":               {errors.New("ent: user not found"), true},
		"connection":        {errors.New("dial tcp 10.0.0.1:5432: connection refused"), false},
		"no such host":      {errors.New("lookup db.internal: no such host"), false},
		"no such table":     {errors.New("no such table: users"), false},
		"missing file":      {os.ErrNotExist, false},
		"deadline":          {context.DeadlineExceeded, false},
		"hidden connection": {concealed{errors.New("connection refused")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &book{}
				a := newApp(t, log.logged)
				j := signIn(t, a.Engine, "u1")
				logs := func(what string, want bool) {
					t.Helper()
					lines := strings.Join(log.lines(), "\n")
					if got := strings.Contains(lines, "ErrUserNotFound"); got != want || lines == "" {
						t.Errorf("%s: the log is\n%s\nand names ErrUserNotFound: %v, want %v", what, lines, got, want)
					}
					time.Sleep(time.Second) // a kind of event is logged once a second
				}
				a.load = func(context.Context) (profile, error) { return profile{}, test.err }
				_, err := j.refresh(t, a.Engine)
				unavailable(t, err, session.CodeDatabaseFetchFailed)
				logs("refresh", test.hint)
				_, err = a.SignIn(t.Context(), "u2")
				unavailable(t, err, session.CodeDatabaseUpdateFailed)
				logs("sign-in", test.hint)

				a.load = nil
				a.store.set(func(context.Context, string) error { return test.err })
				_, err = j.refresh(t, a.Engine)
				unavailable(t, err, session.CodeDatabaseFetchFailed)
				logs("store", false)
				a.store.set(nil)
				if o, err := j.refresh(t, a.Engine); err != nil {
					t.Errorf("the same tokens afterwards: %v, %v", o, err)
				}
			})
		})
	}
}
