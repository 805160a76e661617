package redisstore_test

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
)

// TestDocumentedPermissionsSuffice uses the store as the user that docs/redis.md describes, with
// the additional commands for clusters and for WithWait.
func TestDocumentedPermissionsSuffice(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	base := regexp.MustCompile(`(?m)^ACL SETUSER lucia .*$`).FindString(string(guide))
	cluster := regexp.MustCompile("cluster's client also needs `([^`]+)`").FindStringSubmatch(string(guide))
	wait := regexp.MustCompile("`WithWait` needs\\s+`([^`]+)`").FindStringSubmatch(string(guide))
	if base == "" || cluster == nil || wait == nil {
		t.Fatal("docs/redis.md no longer lists the permissions")
	}
	tests := []struct {
		name, more string
		start      func(*testing.T) (url string, servers []*testenv.RedisServer)
		opts       []redisstore.Option
	}{
		{"single", "", single, nil},
		{"cluster", cluster[1], clustered, nil},
		{"wait", wait[1], replicated, []redisstore.Option{redisstore.WithWait(1, patience)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			url, servers := tt.start(t)
			for _, s := range servers {
				var args []any
				for _, word := range strings.Fields(base + " " + tt.more) {
					args = append(args, word)
				}
				if err := s.Client().Do(ctx, args...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			opts := options(t, url)
			opts.Username, opts.Password, opts.DisableIdentity = "lucia", "PASSWORD", true
			store := patient(open(t, opts), tt.opts...)
			for range 2 { // before and after the server knows the scripts
				for _, op := range operations {
					if err := op.call(ctx, store); err != nil {
						t.Errorf("%s: %v", op.name, err)
					}
				}
			}
		})
	}
}

func single(t *testing.T) (string, []*testenv.RedisServer) {
	s := testenv.Redis(t)
	return s.URL(), []*testenv.RedisServer{s}
}

func clustered(t *testing.T) (string, []*testenv.RedisServer) {
	c := testenv.Cluster(t)
	return c.URL(), append(c.Masters, c.Replicas...)
}

func replicated(t *testing.T) (string, []*testenv.RedisServer) {
	master, replica := testenv.Redis(t), testenv.Redis(t)
	replica.Follow(master.Addr)
	return master.URL(), []*testenv.RedisServer{master}
}
