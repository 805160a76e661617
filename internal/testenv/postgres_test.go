package testenv_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lucia-go/lucia/internal/testenv"
)

func TestPostgresKeepsWhatIsCommitted(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := testenv.Postgres(t)
	s.Do("CREATE TABLE t AS SELECT 'value' AS v")
	replica := s.Follow()
	s.Kill()
	s.Restart()
	for name, server := range map[string]*testenv.PostgresServer{"restarted": s, "replica": replica} {
		c, err := pgx.Connect(ctx, server.URL())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer c.Close(ctx)
		var got string
		if err := c.QueryRow(ctx, "SELECT v FROM t").Scan(&got); err != nil || got != "value" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
