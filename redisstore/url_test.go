package redisstore_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lucia-go/lucia/redisstore"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	type result struct {
		Addrs          []string
		Cluster, TLS   bool
		Master         string
		User, Password string
		DB             int
	}
	tests := []struct {
		url  string
		want result
	}{
		{"redis://127.0.0.1:7000", result{Addrs: []string{"127.0.0.1:7000"}}},
		{"redis://cache", result{Addrs: []string{"cache:6379"}}},
		{"redis://[::1]/3", result{Addrs: []string{"[::1]:6379"}, DB: 3}},
		{"redis://app:p%40ss@cache:1/", result{Addrs: []string{"cache:1"}, User: "app", Password: "p@ss"}},
		{"redis://:p,ss@cache", result{Addrs: []string{"cache:6379"}, Password: "p,ss"}},
		{"rediss://cache", result{Addrs: []string{"cache:6379"}, TLS: true}},
		{"redis://a,b:7001,c", result{Addrs: []string{"a:6379", "b:7001", "c:6379"}, Cluster: true}},
		{"redis://a,redis://b", result{Addrs: []string{"a:6379", "b:6379"}, Cluster: true}},
		{"rediss://u:p@a,rediss://b", result{Addrs: []string{"a:6379", "b:6379"}, Cluster: true, TLS: true, User: "u", Password: "p"}},
		{"sentinel://s1,s2:7002/main", result{Addrs: []string{"s1:26379", "s2:7002"}, Master: "main"}},
		{"sentinel://u:p@s1/main/2", result{Addrs: []string{"s1:26379"}, Master: "main", DB: 2, User: "u", Password: "p"}},
		{"sentinels://s1/main", result{Addrs: []string{"s1:26379"}, Master: "main", TLS: true}},
		{"unix://u:p@/run/redis.sock", result{Addrs: []string{"/run/redis.sock"}, User: "u", Password: "p"}},
		{"unix:///run/redis.sock", result{Addrs: []string{"/run/redis.sock"}}},
	}
	for _, tt := range tests {
		opts, err := redisstore.ParseURL(tt.url)
		if err != nil {
			t.Errorf("ParseURL(%q): %v", tt.url, err)
			continue
		}
		got := result{
			Addrs: opts.Addrs, Cluster: opts.IsClusterMode, TLS: opts.TLSConfig != nil, Master: opts.MasterName,
			User: opts.Username, Password: opts.Password, DB: opts.DB,
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ParseURL(%q) (-want +got):\n%s", tt.url, diff)
		}
		if !opts.ContextTimeoutEnabled {
			t.Errorf("ParseURL(%q) leaves ContextTimeoutEnabled off", tt.url)
		}
		const tries = 4
		if opts.PoolTimeout <= 0 || tries*opts.PoolTimeout > redisstore.DefaultTimeout/2 {
			t.Errorf("ParseURL(%q) lets calls wait %d times %v for a connection", tt.url, tries, opts.PoolTimeout)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "cache", "cache:6379", "http://cache", "redis://", "redis://:6379", "redis://a,,b", "redis://a:0",
		"redis://a:99999", "redis://a:port", "redis://a/x", "redis://a,b/1", "redis://a,rediss://b", "redis://a?db=1",
		"redis://a#b", "redis://u:secret%zz@a", "redis://u:secret@a b", "sentinel://a", "sentinel://a/", "sentinel://a/main/x",
		"redis://u:/secret@h", "redis://u:12/secret@h", "redis://app:secret", "redis://a:secret,b", "sentinel://u:/secret@s1/main",
		"redis://u:secret@a:6379,redis://u:secret@b:6379", "redis://app:secretcache:6379", "redis://u:s@secret@h", "redis://a\tb", "redis://a%20b",
		"redis://a/secret", "secret://a", "unix://run/secret.sock", "unix://", "unix:///",
	} {
		opts, err := redisstore.ParseURL(url)
		if err == nil || opts != nil {
			t.Errorf("ParseURL(%q) = %+v, %v, want an error alone", url, opts, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// The error mentions the query, wherever the URL has it.
func TestParseURLSaysThatAQueryIsRefused(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"redis://h:6379?x=y", "redis://h?x=y", "redis://h:6379/?x=y", "redis://h:6379/1?x=y", "redis://u:p@h:6379?x=y", "redis://a,b?x=y",
		"redis://a?x=y,b", "rediss://h:6379?x=y", "sentinel://s1/main?x=y", "unix:///run/redis.sock?x=y", "redis://h:6379#x", "redis://h:6379?",
	} {
		if _, err := redisstore.ParseURL(url); err == nil || !strings.Contains(err.Error(), "query or fragment") {
			t.Errorf("ParseURL(%q): %v, want an error that mentions the query", url, err)
		}
	}
}
