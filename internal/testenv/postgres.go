package testenv

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresServer is a PostgreSQL server on a loopback port of its own. Its superuser is postgres,
// without a password.
type PostgresServer struct {
	*Process
	Addr string

	t    testing.TB
	path string
	dir  string
	args []string
}

// Postgres starts a PostgreSQL server with an empty data directory of its own, which survives
// Restart. args are appended to its command line and take precedence, for example "-c",
// "default_transaction_read_only=on". If the test runs as root, the server runs as another user,
// because PostgreSQL refuses to run as root.
func Postgres(t testing.TB, args ...string) *PostgresServer {
	t.Helper()
	s := newPostgres(t, args...)
	s.command("initdb", "--pgdata", s.dir, "--username", "postgres", "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	s.startAnywhere()
	return s
}

// Follow starts a server that is a replica of s.
func (s *PostgresServer) Follow() *PostgresServer {
	s.t.Helper()
	return s.FollowThrough(s.Addr)
}

// FollowThrough is Follow for a replica that reaches s through a proxy at addr.
func (s *PostgresServer) FollowThrough(addr string) *PostgresServer {
	s.t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		s.t.Fatal(err)
	}
	r := newPostgres(s.t)
	r.command("pg_basebackup", "--pgdata", r.dir, "--host", host, "--port", port, "--username", "postgres",
		"--write-recovery-conf", "--checkpoint", "fast", "--no-sync")
	r.startAnywhere()
	return r
}

// newPostgres returns a server with an empty directory that its user owns.
func newPostgres(t testing.TB, args ...string) *PostgresServer {
	t.Helper()
	path, err := filepath.EvalSymlinks(Require(t, "postgresql")) // its other programs are beside it
	if err != nil {
		t.Fatal(err)
	}
	// t.TempDir would not do, because other users cannot enter it.
	parent, err := os.MkdirTemp("", "lucia-postgresql-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(parent); err != nil {
			t.Errorf("testenv: %v", err)
		}
	})
	s := &PostgresServer{t: t, path: path, dir: filepath.Join(parent, "data"), args: args}
	if err := own(parent); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return s
}

// AwaitWrites returns when s, which follows primary, has the writes that primary had made before
// the call.
func (s *PostgresServer) AwaitWrites(primary *PostgresServer) {
	s.t.Helper()
	written := primary.query("SELECT pg_current_wal_lsn()::text")
	eventually(s.t, "the writes of the primary", func() (bool, string) {
		got := s.query("SELECT (pg_last_wal_replay_lsn() >= '" + written + "')::text")
		return got == "true", got
	})
}

// startAnywhere starts the server on a free port.
func (s *PostgresServer) startAnywhere() {
	s.t.Helper()
	const attempts = 10 // another program may take the port first
	for range attempts {
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(s.t)))
		if s.start() {
			return
		}
	}
	s.t.Fatalf("testenv: postgres did not start:\n%s", s.Log())
}

// command runs one of PostgreSQL's programs.
func (s *PostgresServer) command(name string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(filepath.Dir(s.path), name), args...)
	cmd.Dir = filepath.Dir(s.dir)
	cmd.SysProcAttr = asUnprivileged()
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("testenv: %s: %v\n%s", name, err, out)
	}
}

func (s *PostgresServer) start() (ok bool) {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.Addr) // Addr is valid
	args := append([]string{
		"-D", s.dir, "-p", port, "-h", "127.0.0.1", "-k", "",
		"-c", "max_connections=200", "-c", "shared_buffers=32MB",
	}, s.args...)
	s.Process, ok = startWith(s.t, asUnprivileged(), filepath.Dir(s.dir), "database system is ready to accept", s.path, args...)
	return ok
}

// Restart starts the server again after Kill, on the same port and with the same data directory. It
// tries again while another program holds the port.
func (s *PostgresServer) Restart() {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !s.start(); {
		if time.Now().After(deadline) {
			s.t.Fatalf("testenv: postgres did not start again:\n%s", s.Log())
		}
	}
}

// URL returns the server's postgres:// URL.
func (s *PostgresServer) URL() string { return PostgresURL(s.Addr) }

// PostgresURL returns the URL of a server of this package, or of a proxy for one.
func PostgresURL(addr string) string {
	return "postgres://postgres@" + addr + "/postgres?sslmode=disable"
}

// Do executes a statement, as the superuser, and fails the test on an error.
func (s *PostgresServer) Do(statement string) {
	s.t.Helper()
	s.connected(statement, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, statement)
		return err
	})
}

// query executes a query that returns one text.
func (s *PostgresServer) query(query string) (text string) {
	s.t.Helper()
	s.connected(query, func(ctx context.Context, c *pgx.Conn) error { return c.QueryRow(ctx, query).Scan(&text) })
	return text
}

// connected calls do with a connection of the superuser, and fails the test on an error.
func (s *PostgresServer) connected(what string, do func(context.Context, *pgx.Conn) error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := pgx.Connect(ctx, s.URL())
	if err == nil {
		defer c.Close(ctx)
		err = do(ctx, c)
	}
	if err != nil {
		s.t.Fatalf("testenv: %s: %v", what, err)
	}
}
