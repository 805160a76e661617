package testenv

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
)

// slots is the number of hash slots of a cluster.
const slots = 16384

// nodeTimeout is after how many milliseconds the nodes of a cluster give up one that does not
// answer. It is so long that they give up none because the machine is busy. They have
// hastyNodeTimeout while they get to know each other, which is faster, and after a test has killed
// one of them.
const nodeTimeout, hastyNodeTimeout = "60000", "2000"

// RedisCluster is a cluster of three masters, each with one replica.
type RedisCluster struct {
	Masters  []*RedisServer
	Replicas []*RedisServer
}

// Cluster starts a cluster and returns when it serves.
func Cluster(t testing.TB) *RedisCluster {
	t.Helper()
	c := &RedisCluster{}
	for range 3 {
		c.Masters = append(c.Masters, clusterNode(t))
		c.Replicas = append(c.Replicas, clusterNode(t))
	}
	n := len(c.Masters)
	for i, m := range c.Masters {
		m.do("cluster", "addslotsrange", i*slots/n, (i+1)*slots/n-1)
	}
	for _, s := range c.nodes()[1:] {
		host, port, bus := s.clusterAddr()
		c.Masters[0].do("cluster", "meet", host, port, bus)
	}
	c.await(t, "nodes to know each other", func(s *RedisServer) (bool, string) {
		nodes := s.do("cluster", "nodes").String()
		return strings.Count(nodes, "connected") == 2*n && !strings.Contains(nodes, "handshake"), nodes
	})
	for i, r := range c.Replicas {
		r.do("cluster", "replicate", c.Masters[i].NodeID())
	}
	c.await(t, "the cluster to serve", func(s *RedisServer) (bool, string) {
		info := s.do("cluster", "info").String()
		nodes := s.do("cluster", "nodes").String()
		return strings.Contains(info, "cluster_state:ok") && strings.Count(nodes, "slave") == n, info + nodes
	})
	for _, r := range c.Replicas {
		eventually(t, "a replica to be in sync", func() (bool, string) {
			role, err := r.do("role").Slice()
			return err == nil && len(role) > 3 && role[3] == "connected", fmt.Sprint(role, err)
		})
	}
	c.configure("cluster-node-timeout", nodeTimeout)
	return c
}

func clusterNode(t testing.TB) *RedisServer {
	t.Helper()
	return Redis(t,
		"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(freePort(t)),
		"--cluster-node-timeout", hastyNodeTimeout, "--cluster-replica-no-failover", "yes")
}

// configure changes settings of all nodes.
func (c *RedisCluster) configure(settings ...any) {
	for _, s := range c.nodes() {
		s.do(append([]any{"config", "set"}, settings...)...)
	}
}

func (c *RedisCluster) nodes() []*RedisServer {
	return append(append([]*RedisServer{}, c.Masters...), c.Replicas...)
}

func (c *RedisCluster) await(t testing.TB, what string, done func(*RedisServer) (bool, string)) {
	t.Helper()
	for _, s := range c.nodes() {
		eventually(t, what, func() (bool, string) { return done(s) })
	}
}

// KillMaster kills a master. Its replica takes over within seconds.
func (c *RedisCluster) KillMaster(i int) {
	c.configure("cluster-node-timeout", hastyNodeTimeout, "cluster-replica-no-failover", "no")
	c.Masters[i].Kill()
}

// Addrs returns the addresses of all nodes, masters first.
func (c *RedisCluster) Addrs() []string {
	var addrs []string
	for _, s := range c.nodes() {
		addrs = append(addrs, s.Addr)
	}
	return addrs
}

// URL returns the cluster's URLs, separated by commas.
func (c *RedisCluster) URL() string {
	return "redis://" + strings.Join(c.Addrs(), ",redis://")
}

// NodeID returns the server's id in its cluster.
func (s *RedisServer) NodeID() string {
	s.t.Helper()
	id, err := s.do("cluster", "myid").Text()
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *RedisServer) clusterAddr() (host, port, bus string) {
	host, port, _ = net.SplitHostPort(s.Addr)
	for i, a := range s.args {
		if a == "--cluster-port" {
			bus = s.args[i+1]
		}
	}
	return host, port, bus
}

// MoveSlot moves a hash slot with all its keys from one master to another, as an operator reshards.
// During the move clients are redirected for single requests (ASK), and afterwards for all (MOVED).
func (c *RedisCluster) MoveSlot(t testing.TB, slot int, from, to *RedisServer) {
	t.Helper()
	c.BeginMove(t, slot, from, to)()
}

// BeginMove moves the keys of a slot but not yet the slot, so that clients are redirected to the
// new owner request by request (ASK). finish moves the slot.
func (c *RedisCluster) BeginMove(t testing.TB, slot int, from, to *RedisServer) (finish func()) {
	t.Helper()
	to.do("cluster", "setslot", slot, "importing", from.NodeID())
	from.do("cluster", "setslot", slot, "migrating", to.NodeID())
	host, port, _ := to.clusterAddr()
	client := from.Client()
	for {
		keys, err := client.ClusterGetKeysInSlot(context.Background(), slot, 100).Result()
		if err != nil {
			t.Fatalf("testenv: %v", err)
		}
		if len(keys) == 0 {
			break
		}
		args := []any{"migrate", host, port, "", 0, patience.Milliseconds(), "keys"}
		for _, k := range keys {
			args = append(args, k)
		}
		from.do(args...)
	}
	return func() {
		for _, s := range []*RedisServer{to, from} {
			s.do("cluster", "setslot", slot, "node", to.NodeID())
		}
	}
}
