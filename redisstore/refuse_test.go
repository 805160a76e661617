package redisstore_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/fleet"
	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/session"
)

// missing are refreshes by ann that a working server answers with Missing.
var missing = []struct {
	name  string
	id    session.ID
	token session.Presentation
}{
	{"no such session", session.ID{9}, session.Presentation{Generation: 1}},
	{"expired session", session.ID{2}, session.Presentation{Generation: 1}},
	{"expired token of a lost generation", session.ID{1}, session.Presentation{Generation: 7, IssuedAt: 1, ExpiresAt: 2}},
}

// TestReadOnlyServerReportsNoSessionMissing checks that a server that does not accept writes signs
// no user out. It may have missed the session.
func TestReadOnlyServerReportsNoSessionMissing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, refusal string
		args          []string
		// makeReadOnly makes the server refuse writes, or returns another server that does.
		makeReadOnly func(*testing.T, *testenv.RedisServer) *testenv.RedisServer
	}{
		{"replica cut off from its master", "READONLY", nil, staleReplica},
		{"master without its replicas", "NOREPLICAS", nil, func(t *testing.T, s *testenv.RedisServer) *testenv.RedisServer {
			if err := s.Client().ConfigSet(t.Context(), "min-replicas-to-write", "1").Err(); err != nil {
				t.Fatal(err)
			}
			return s
		}},
		{"snapshot failed", "MISCONF", []string{"--save", "3600 1000000"}, failedSnapshot},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			server := testenv.Redis(t, tt.args...)
			store := patient(open(t, options(t, server.URL())))
			create(t, store, session.ID{1}, long, 5)
			brief := long
			brief.Idle = time.Millisecond
			create(t, store, session.ID{2}, brief, 5)
			fleet.Pause(5 * time.Millisecond) // session 2 expires
			for _, m := range missing {
				r, err := store.Refresh(ctx, session.RefreshParams{UserID: "ann", ID: m.id, Presented: m.token, Policy: long, RevokeUser: true})
				if err != nil || r.Outcome != session.Missing {
					t.Errorf("%s: %v, %v, want missing", m.name, r.Outcome, err)
				}
			}
			live, err := store.List(ctx, "ann")
			if _, ok := live[session.ID{1}]; err != nil || !ok {
				t.Errorf("List = %v, %v, want the live session", live, err)
			}

			server = tt.makeReadOnly(t, server)
			for _, mode := range clientModes {
				store := patient(mode.open(t, options(t, server.URL())))
				for _, m := range missing {
					r, err := store.Refresh(ctx, session.RefreshParams{UserID: "ann", ID: m.id, Presented: m.token, Policy: long, RevokeUser: true})
					if err == nil || !strings.Contains(err.Error(), tt.refusal) {
						t.Errorf("%s: %s: %v, %v, want %s", mode.name, m.name, r.Outcome, err, tt.refusal)
					}
				}
				for _, c := range []session.ConfirmParams{
					{UserID: "ann", ID: session.ID{9}, Generation: 2, HandedAt: 1},
					{UserID: "ann", ID: session.ID{1}, Generation: 7, HandedAt: 1},
				} {
					if err := store.Confirm(ctx, c); err == nil || !strings.Contains(err.Error(), tt.refusal) {
						t.Errorf("%s: Confirm of a missing session or generation: %v, want %s", mode.name, err, tt.refusal)
					}
				}
				for _, op := range operations {
					ends := op.name == "Delete" || op.name == "DeleteUser"
					if err := op.call(ctx, store); ends && (err == nil || !strings.Contains(err.Error(), tt.refusal)) {
						t.Errorf("%s: %s: %v, want %s", mode.name, op.name, err, tt.refusal)
					}
				}
			}
		})
	}
}

// staleReplica returns a replica that has lost its master.
func staleReplica(t *testing.T, master *testenv.RedisServer) *testenv.RedisServer {
	replica := testenv.Redis(t)
	link := testenv.NewProxy(t, master.Addr)
	replica.Follow(link.Addr)
	link.Hold()
	return replica
}

// failedSnapshot makes the next snapshot fail: it puts a directory in place of the file.
func failedSnapshot(t *testing.T, s *testenv.RedisServer) *testenv.RedisServer {
	ctx, client := context.Background(), s.Client()
	dir, err := client.ConfigGet(ctx, "dir").Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir["dir"], "dump.rdb", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := client.BgSave(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	repeatUntil(t, "the snapshot to fail", func() bool {
		return strings.Contains(client.Info(ctx, "persistence").Val(), "rdb_last_bgsave_status:err")
	})
	return s
}
