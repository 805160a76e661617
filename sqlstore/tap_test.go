package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"
)

// tap is a connector that calls a hook around each statement. The hook may count the statements or
// interrupt a call.
type tap struct {
	driver driver.Driver
	url    string
	// statement is called before and after each statement.
	statement func(query string, done bool)
}

// tapped opens the database and calls the hook around each statement.
func (d database) tapped(t testing.TB, statement func(query string, done bool)) *sql.DB {
	t.Helper()
	plain := d.pool(t)
	db := sql.OpenDB(&tap{plain.Driver(), d.url, statement})
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	return db
}

// Connect implements driver.Connector.
func (p *tap) Connect(context.Context) (driver.Conn, error) {
	c, err := p.driver.Open(p.url)
	if err != nil {
		return nil, err
	}
	return &tappedConn{c, p}, nil
}

// Driver implements driver.Connector.
func (p *tap) Driver() driver.Driver { return p.driver }

// tappedConn implements the interfaces that both drivers implement.
type tappedConn struct {
	driver.Conn
	tap *tap
}

func (c *tappedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.tap.statement(query, false)
	result, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	c.tap.statement(query, true)
	return result, err
}

func (c *tappedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.tap.statement(query, false)
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	c.tap.statement(query, true)
	return rows, err
}

// ResetSession implements driver.SessionResetter.
func (c *tappedConn) ResetSession(ctx context.Context) error {
	if r, ok := c.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

// CheckNamedValue implements driver.NamedValueChecker.
func (c *tappedConn) CheckNamedValue(v *driver.NamedValue) error {
	if r, ok := c.Conn.(driver.NamedValueChecker); ok {
		return r.CheckNamedValue(v)
	}
	return driver.ErrSkip
}
