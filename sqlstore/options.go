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

// maxTable leaves room for the suffix of the index's name, because PostgreSQL truncates names to 63
// bytes.
const maxTable = 50

var tableName = regexp.MustCompile(`^([a-z_][a-z0-9_]*\.)?[a-z_][a-z0-9_]*$`)

// WithTable sets the name of the table. The default is [DefaultTable]. Stores with different
// tables do not see each other's sessions. The name may have a schema: "auth.sessions". WithTable
// panics unless each part consists of lower-case letters, digits and underscores and does not
// begin with a digit, and the whole has at most 50 bytes. Such names need no quotes in a
// statement, unless they are reserved words such as user or order.
func WithTable(name string) Option {
	if !tableName.MatchString(name) || len(name) > maxTable {
		panic("sqlstore: table name " + name + " must have lower-case letters, digits and underscores only, at most 50 bytes")
	}
	return func(c *config) { c.table = name }
}

// WithTimeout sets the time within which every call returns, even if the driver ignores the
// context. The default is [DefaultTimeout]. A call waits for a connection for at most half of it,
// so that the other half is left for the work. WithTimeout panics unless d is positive.
func WithTimeout(d time.Duration) Option {
	if d <= 0 {
		panic("sqlstore: timeout is not positive")
	}
	return func(c *config) { c.timeout = d }
}
