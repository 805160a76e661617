package redisstore

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// The settings of [ParseURL] that differ from go-redis' defaults; the package
// comment says why.
const (
	netTimeout  = 500 * time.Millisecond
	dialTimeout = time.Second
	poolSize    = 64
)

// ParseURL returns options for redis.NewUniversalClient, with the settings that
// the package comment recommends. They may be changed before they are used. It
// understands
//
//	redis://[user:password@]host[:port][/db]          one server
//	redis://[user:password@]host[:port],host[:port]…  a cluster; any of its nodes
//	sentinel://[user:password@]host[:port],host[:port]…/master[/db]
//	                                                  the Sentinels of a master
//	unix://[user:password@]/path/to/socket            one server
//
// with rediss and sentinels for TLS. In a list, each host may repeat the scheme.
// The ports are 6379 and, for Sentinels, 26379 where they are left out. User and
// password are the servers'; those of the Sentinels go into SentinelUsername and
// SentinelPassword of the result. A cluster behind a single address needs
// IsClusterMode of the result. Other settings are not part of the URL: a query is
// refused.
//
// The error never contains the URL, which may hold a password.
func ParseURL(s string) (*redis.UniversalOptions, error) {
	u, hosts, err := split(s)
	if err != nil {
		return nil, err
	}
	opts := recommended()
	opts.Username = u.User.Username()
	opts.Password, _ = u.User.Password()
	port, path := "6379", strings.Trim(u.Path, "/")
	switch u.Scheme {
	case "unix":
		opts.Addrs = []string{u.Path}
		return opts, nil
	case "redis", "rediss":
		opts.IsClusterMode = len(hosts) > 1
	case "sentinel", "sentinels":
		port = "26379"
		opts.MasterName, path, _ = strings.Cut(path, "/")
		if opts.MasterName == "" {
			return nil, errors.New("redisstore: a sentinel URL ends in the name of the master")
		}
	default:
		return nil, fmt.Errorf("redisstore: URL has scheme %q, want redis, rediss, sentinel, sentinels or unix", u.Scheme)
	}
	if opts.Addrs, err = addresses(hosts, port); err != nil {
		return nil, err
	}
	if u.Scheme == "rediss" || u.Scheme == "sentinels" {
		opts.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12} // each host is verified by its own name
	}
	return opts, database(opts, path)
}

func recommended() *redis.UniversalOptions {
	return &redis.UniversalOptions{
		ContextTimeoutEnabled: true,
		DialTimeout:           dialTimeout,
		ReadTimeout:           netTimeout,
		WriteTimeout:          netTimeout,
		PoolSize:              poolSize,
	}
}

// split cuts the URL into what its hosts have in common and the hosts.
func split(s string) (*url.URL, []string, error) {
	scheme, rest, _ := strings.Cut(s, "://")
	rest = strings.ReplaceAll(rest, ","+scheme+"://", ",")
	user, list := "", rest
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		user, list = rest[:i+1], rest[i+1:]
	}
	list, path, _ := strings.Cut(list, "/")
	u, err := url.Parse(scheme + "://" + user + "host/" + path)
	if err != nil {
		return nil, nil, errors.New("redisstore: URL cannot be parsed") // err would show it
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, nil, errors.New("redisstore: URL has a query or fragment")
	}
	return u, strings.Split(list, ","), nil
}

// addresses completes host[:port] to host:port.
func addresses(hosts []string, port string) ([]string, error) {
	addrs := make([]string, len(hosts))
	for i, h := range hosts {
		name, p, err := net.SplitHostPort(h)
		if err != nil {
			name, p = strings.Trim(h, "[]"), port
		}
		if n, err := strconv.ParseUint(p, 10, 16); name == "" || strings.ContainsAny(name, "/@?# ") || err != nil || n == 0 {
			return nil, fmt.Errorf("redisstore: URL names %q where a host or host:port should be", h)
		}
		addrs[i] = net.JoinHostPort(name, p)
	}
	return addrs, nil
}

func database(opts *redis.UniversalOptions, path string) error {
	if path == "" {
		return nil
	}
	db, err := strconv.ParseUint(path, 10, 16)
	switch {
	case err != nil:
		return fmt.Errorf("redisstore: URL has path %q where the number of a database should be", path)
	case db > 0 && opts.IsClusterMode:
		return errors.New("redisstore: a cluster has database 0 only")
	}
	opts.DB = int(db)
	return nil
}
