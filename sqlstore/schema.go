package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

const schema = `CREATE TABLE IF NOT EXISTS {table} (
    user_id      {text} NOT NULL,
    session_id   {text} NOT NULL,
    generation   bigint NOT NULL CHECK (generation BETWEEN 1 AND 4294967295),
    issued_at    bigint NOT NULL,
    confirmed_at bigint NOT NULL,
    created_at   bigint NOT NULL,
    expires_at   bigint NOT NULL,
    label        {text} NOT NULL DEFAULT '',
    address      {text} NOT NULL DEFAULT '',
    actor        {text} NOT NULL DEFAULT '',
    expires_day  bigint GENERATED ALWAYS AS (expires_at / 86400000) STORED,
    PRIMARY KEY (user_id, session_id)
){options};
CREATE INDEX IF NOT EXISTS {index} ON {table} (expires_day);
CREATE TABLE IF NOT EXISTS {table}_feed (
    id           {serial} PRIMARY KEY{autoincrement},
    kind         text NOT NULL,
    user_id      {text} NOT NULL,
    session_id   {text} NOT NULL,
    issued_until bigint NOT NULL,
    expires_at   bigint NOT NULL
);
`

// Schema returns the statements that [Store.Migrate] executes, each terminated by a semicolon. It
// is for apps that use a migration tool. Of the options, only [WithTable] has an effect.
func Schema(d Dialect, opts ...Option) string {
	table := configOf(opts).table
	index := table[strings.LastIndexByte(table, '.')+1:] + "_expires_day"
	return strings.NewReplacer(
		"{table}", table, "{index}", index, "{text}", d.text, "{options}", d.options,
		"{serial}", d.serial, "{autoincrement}", d.autoincrement,
	).Replace(schema)
}

// migrateTimeout is far longer than the statements take, and short enough for an operator who
// waits.
const migrateTimeout = time.Minute

// Migrate creates the tables and the index if they do not exist. It changes nothing else. Several
// processes may call it at once. It returns within a minute, regardless of [WithTimeout]. It
// requires the right to create tables, which the store's other methods do not.
func (s *Store) Migrate(ctx context.Context) error {
	_, err := call(ctx, s, migrateTimeout, func(ctx context.Context, c *sql.Conn) (struct{}, error) {
		return struct{}{}, s.aloneInTx(ctx, c, "", func() error {
			for statement := range strings.SplitAfterSeq(s.schema, ";\n") {
				if statement == "" {
					continue
				}
				if _, err := c.ExecContext(ctx, statement); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("sqlstore: migrate: %w", err)
	}
	return nil
}
