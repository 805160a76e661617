package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
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

// added are the columns that the table of an earlier version lacks, with their definitions.
var added = [...][2]string{
	{"label", "{text} NOT NULL DEFAULT ''"},
	{"address", "{text} NOT NULL DEFAULT ''"},
	{"actor", "{text} NOT NULL DEFAULT ''"},
}

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

// Migrate creates the tables and the index if they do not exist. It adds the columns that the table
// of an earlier version lacks. It changes nothing else. Several processes may call it at once. It
// returns within a minute, regardless of [WithTimeout]. It requires the right to create and alter
// tables, which the store's other methods do not.
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
			return s.addColumns(ctx, c)
		})
	})
	if err != nil {
		return fmt.Errorf("sqlstore: migrate: %w", err)
	}
	return nil
}

// addColumns adds the columns that the table lacks.
func (s *Store) addColumns(ctx context.Context, c *sql.Conn) error {
	rows, err := c.QueryContext(ctx, s.dialect.columnsOf, s.table)
	if err != nil {
		return err
	}
	defer rows.Close()
	var existing []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		existing = append(existing, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, column := range added {
		if slices.Contains(existing, column[0]) {
			continue
		}
		definition := strings.ReplaceAll(column[1], "{text}", s.dialect.text)
		if _, err := c.ExecContext(ctx, "ALTER TABLE "+s.table+" ADD COLUMN "+column[0]+" "+definition); err != nil {
			return err
		}
	}
	return nil
}
