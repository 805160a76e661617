package testenv

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// downAfter is after how many milliseconds a Sentinel gives up a server that does not answer. No
// server of a test does that because the machine is busy. Once a test has killed the master, the
// Sentinels wait for hastyDownAfter.
const downAfter, hastyDownAfter = "60000", "1000"

// RedisSentinel is a master with one replica, watched by three Sentinels.
type RedisSentinel struct {
	// Name is the name under which clients ask for the master.
	Name      string
	Master    *RedisServer
	Replica   *RedisServer
	Sentinels []*RedisServer
}

// Sentinel starts a master, a replica and three Sentinels. It returns when they could fail over,
// which is when each Sentinel knows the replica and the other two.
func Sentinel(t testing.TB) *RedisSentinel {
	t.Helper()
	s := &RedisSentinel{Name: "main"}
	s.Master, s.Replica = Redis(t), Redis(t)
	s.Replica.Follow(s.Master.Addr)
	for range 3 {
		s.Sentinels = append(s.Sentinels, s.sentinel(t))
	}
	for _, one := range s.Sentinels {
		eventually(t, "the Sentinels to know each other", func() (bool, string) {
			info := one.do("info", "sentinel").String()
			return strings.Contains(info, "status=ok") && strings.Contains(info, "slaves=1") &&
				strings.Contains(info, "sentinels=3"), info
		})
	}
	return s
}

func (s *RedisSentinel) sentinel(t testing.TB) *RedisServer {
	t.Helper()
	one := &RedisServer{t: t, path: Require(t, "redis"), dir: t.TempDir()}
	host, port, _ := net.SplitHostPort(s.Master.Addr)
	file := filepath.Join(one.dir, "sentinel.conf")
	const attempts = 10
	for range attempts {
		own := freePort(t)
		one.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(own))
		conf := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\n"+
			"sentinel monitor %s %s %s 2\nsentinel down-after-milliseconds %s %s\n"+
			"sentinel failover-timeout %s 5000\n", own, one.dir, s.Name, host, port, s.Name, downAfter, s.Name)
		if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		one.args = []string{file, "--sentinel"}
		var ok bool
		if one.Process, ok = start(t, one.dir, "+monitor master", one.path, one.args...); ok {
			return one
		}
	}
	t.Fatalf("testenv: no Sentinel started:\n%s", one.Log())
	return nil
}

// KillMaster kills the master. The Sentinels promote the replica within seconds, or within a minute
// if the machine stands still meanwhile.
func (s *RedisSentinel) KillMaster() {
	for _, one := range s.Sentinels {
		one.do("sentinel", "set", s.Name, "down-after-milliseconds", hastyDownAfter)
	}
	s.Master.Kill()
}

// Addrs returns the addresses of the Sentinels.
func (s *RedisSentinel) Addrs() []string {
	var addrs []string
	for _, one := range s.Sentinels {
		addrs = append(addrs, one.Addr)
	}
	return addrs
}

// URL returns the sentinel:// URL of the three Sentinels.
func (s *RedisSentinel) URL() string {
	return "sentinel://" + strings.Join(s.Addrs(), ",") + "/" + s.Name
}
