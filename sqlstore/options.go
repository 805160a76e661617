package sqlstore

import (
	"regexp"
	"time"
)

// The defaults of the options.
const (
	DefaultTable   = "lucia_sessions"
	DefaultTimeout = time.Second
)

// Option changes how [New] sets up a Store.
type Option func(*config)

// config is what the options change.
type config struct {
	table   string
	timeout time.Duration
}

func configOf(opts []Option) config {
	c := config{table: DefaultTable, timeout: DefaultTimeout}
	for _, opt := range opts {
		opt(&c)
	}
	return c
}

// maxTable leaves room for the suffix of the index's name within the 63 bytes that
// PostgreSQL keeps of a name.
const maxTable = 50

var tableName = regexp.MustCompile(`^([a-z_][a-z0-9_]*\.)?[a-z_][a-z0-9_]*$`)

// WithTable sets the name of the table, instead of [DefaultTable]. Stores with
// different tables do not see each other's sessions. A schema may stand before
// it: "auth.sessions". It panics unless each part is lower-case letters, digits
// and underscores, does not begin with a digit, and the whole has at most 50
// bytes: names of that form need no quotes in any statement.
func WithTable(name string) Option {
	if !tableName.MatchString(name) || len(name) > maxTable {
		panic("sqlstore: table name " + name + " is not lower-case letters, digits and underscores, at most 50 bytes")
	}
	return func(c *config) { c.table = name }
}

// WithTimeout sets the time within which every call returns, instead of
// [DefaultTimeout], whether or not the driver heeds the context it is given.
// Half of it may be spent waiting for a connection; the other half is left for
// the work. It panics unless d is positive.
func WithTimeout(d time.Duration) Option {
	if d <= 0 {
		panic("sqlstore: timeout is not positive")
	}
	return func(c *config) { c.timeout = d }
}
