package redisstore

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// The settings of [ParseURL] that differ from go-redis' defaults. The package comment explains
// them.
const (
	netTimeout  = 500 * time.Millisecond
	dialTimeout = time.Second
	poolSize    = 64
	poolTimeout = 125 * time.Millisecond
	maxQueued   = 2048 // of a pipeline: the most calls that an app has in progress
)

// ParseURL returns options for redis.NewUniversalClient, with the settings that the package
// comment recommends. The caller may change them. It accepts the following URLs. The schemes
// rediss and sentinels are the same with TLS.
//
//	redis://[user:password@]host[:port][/db]          one server
//	redis://[user:password@]host[:port],host[:port]…  a cluster, by any of its nodes
//	sentinel://[user:password@]host[:port],host[:port]…/master[/db]
//	                                                  the Sentinels of a master
//	unix://[user:password@]/path/to/socket            one server
//
// In a list, each host may repeat the scheme. The default port is 6379, and 26379 for Sentinels.
// User and password are those of the Redis servers; set SentinelUsername and SentinelPassword in
// the result for those of the Sentinels. Set IsClusterMode in the result for a cluster behind a
// single address. The URL contains no other settings: a query is refused.
//
// User and password are given once, for all hosts. Characters with a meaning in URLs (/ ? # @ :
// %) must be escaped in them.
//
// The error never contains a part of the URL, because a password may be anywhere in it.
//
// go-redis has parsers of its own, but each takes one kind of server, they return options of
// three types, and some of their errors contain the password.
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
		if len(u.Path) < 2 || hosts[0] != "" {
			return nil, errors.New("redisstore: a unix URL has three slashes and the path of a socket")
		}
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
		return nil, errors.New("redisstore: URL has a scheme that is not redis, rediss, sentinel, sentinels or unix")
	}
	if opts.Addrs, err = addresses(hosts, port); err != nil {
		return nil, err
	}
	if u.Scheme == "rediss" || u.Scheme == "sentinels" {
		// Each host is verified by its own name.
		opts.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if err := database(opts, path); err != nil {
		return nil, err
	}
	return opts, nil
}

func recommended() *redis.UniversalOptions {
	pipeline := redis.DefaultAutoPipelineOptions()
	pipeline.MaxQueuedCommands = maxQueued
	return &redis.UniversalOptions{
		ContextTimeoutEnabled: true,
		DialTimeout:           dialTimeout,
		ReadTimeout:           netTimeout,
		WriteTimeout:          netTimeout,
		PoolSize:              poolSize,
		PoolTimeout:           poolTimeout,
		AutoPipelineOptions:   pipeline,
	}
}

// split returns the part of the URL that its hosts share, and the hosts.
func split(s string) (*url.URL, []string, error) {
	scheme, rest, _ := strings.Cut(s, "://")
	rest = strings.ReplaceAll(rest, ","+scheme+"://", ",")
	user, list, found := strings.Cut(rest, "@")
	if !found {
		user, list = "", rest
	} else if user += "@"; strings.ContainsAny(user, "/?#") || strings.Contains(list, "@") {
		return nil, nil, errors.New("redisstore: URL must have user and password once, before the first host, with / ? # and @ in them escaped")
	}
	if strings.ContainsAny(list, "?#") {
		return nil, nil, errors.New("redisstore: URL has a query or fragment; other settings are fields of the options")
	}
	list, path, _ := strings.Cut(list, "/")
	u, err := url.Parse(scheme + "://" + user + "host/" + path)
	if err != nil {
		return nil, nil, errors.New("redisstore: URL cannot be parsed") // err would show it
	}
	return u, strings.Split(list, ","), nil
}

// addresses completes host[:port] to host:port.
func addresses(hosts []string, port string) ([]string, error) {
	addrs := make([]string, len(hosts))
	for i, h := range hosts {
		name, p, err := net.SplitHostPort(h)
		if err != nil {
			name, p = strings.TrimSuffix(strings.TrimPrefix(h, "["), "]"), port
		}
		if n, err := strconv.ParseUint(p, 10, 16); !isHost(name) || err != nil || n == 0 {
			return nil, errors.New("redisstore: URL has an invalid host or host:port")
		}
		addrs[i] = net.JoinHostPort(name, p)
	}
	return addrs, nil
}

// isHost reports whether s is a name or an address. Anything else that contains a colon may be a
// password without its @.
func isHost(s string) bool {
	if strings.Contains(s, ":") {
		_, err := netip.ParseAddr(s)
		return err == nil
	}
	for _, c := range s {
		if c <= ' ' || c == 0x7f || strings.ContainsRune("/?#%[]\"\\", c) {
			return false
		}
	}
	return s != ""
}

func database(opts *redis.UniversalOptions, path string) error {
	if path == "" {
		return nil
	}
	db, err := strconv.ParseUint(path, 10, 16)
	switch {
	case err != nil:
		return errors.New("redisstore: URL has a path that is not the number of a database")
	case db > 0 && opts.IsClusterMode:
		return errors.New("redisstore: a cluster has database 0 only")
	}
	opts.DB = int(db)
	return nil
}
