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

// The settings of [ParseURL] that differ from go-redis' defaults; the package
// comment says why.
const (
	netTimeout  = 500 * time.Millisecond
	dialTimeout = time.Second
	poolSize    = 64
	poolTimeout = 125 * time.Millisecond
	maxQueued   = 2048 // of a pipeline: as many calls as an app has under way
)

// ParseURL returns options for redis.NewUniversalClient, with the settings that
// the package comment recommends. They may be changed before they are used. It stands
// beside go-redis' own parsers because those take one kind of server each, return
// options of three types, and show the password in some of their errors. It understands
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
// Characters that mean something in a URL (/ ? # @ : %) are escaped in user and
// password, which stand once.
//
// The error never contains a part of the URL, which may hold a password, also
// where one does not look for it.
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
		opts.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12} // each host is verified by its own name
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

// split cuts the URL into what its hosts have in common and the hosts.
func split(s string) (*url.URL, []string, error) {
	scheme, rest, _ := strings.Cut(s, "://")
	rest = strings.ReplaceAll(rest, ","+scheme+"://", ",")
	user, list, found := strings.Cut(rest, "@")
	if !found {
		user, list = "", rest
	} else if user += "@"; strings.ContainsAny(user, "/?#") || strings.Contains(list, "@") {
		return nil, nil, errors.New("redisstore: user and password stand once in a URL, with / ? # and @ in them escaped")
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
			return nil, errors.New("redisstore: URL has something else where a host or host:port should be")
		}
		addrs[i] = net.JoinHostPort(name, p)
	}
	return addrs, nil
}

// isHost reports whether s is a name or an address. What else has a colon in it
// is a password without its @.
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
