package demo

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/sqlstore"
)

// openSQLite opens a file and creates it with its tables if it does not exist. A timeout of 0 means
// those that docs/sql.md recommends.
func openSQLite(ctx context.Context, file string, timeout time.Duration) (*sql.DB, *sqlstore.Store, error) {
	path, err := filepath.Abs(file)
	if err == nil {
		err = onlyForUs(path)
	}
	if err != nil {
		return nil, nil, err
	}
	// docs/sql.md recommends this number.
	const connections = 4
	busy := fmt.Sprintf("busy_timeout(%d)", cmp.Or(timeout, 5*time.Second).Milliseconds())
	settings := url.Values{"_pragma": {busy, "journal_mode(WAL)", "synchronous(NORMAL)"}}
	name := url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(), RawQuery: settings.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	store := sqlstore.New(db, sqlstore.SQLite, sqlstore.WithTimeout(cmp.Or(timeout, sqlstore.DefaultTimeout)))
	if err = store.Migrate(ctx); err == nil {
		_, err = db.ExecContext(ctx, sqliteTables)
	}
	if err != nil {
		db.Close()
		return nil, nil, err
	}
	return db, store, nil
}

// onlyForUs creates the file, so that no other user can read the password hashes.
func onlyForUs(path string) error {
	const ownerOnly = 0o600
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, ownerOnly)
	if err != nil {
		return err
	}
	return f.Close()
}

const sqliteTables = `
CREATE TABLE IF NOT EXISTS users (
	id       TEXT NOT NULL PRIMARY KEY,
	name_key TEXT NOT NULL UNIQUE,
	username TEXT NOT NULL,
	hash     TEXT NOT NULL,
	bio      TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (
	user_id TEXT NOT NULL,
	id      TEXT NOT NULL,
	text    TEXT NOT NULL,
	PRIMARY KEY (user_id, id)
) WITHOUT ROWID;`

// keptSecret returns the secret that is saved beside the database and creates it if it does not
// exist. If several processes do so at once, all use the same one.
func keptSecret(database string) ([]byte, error) {
	const ownerOnly = 0o600
	name := database + ".secret"
	secret, err := readSecret(name)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return secret, err
	}
	made := make([]byte, lucia.MinSecretBytes)
	rand.Read(made) // never fails
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(base64.RawStdEncoding.EncodeToString(made))
	err = errors.Join(err, f.Chmod(ownerOnly), f.Sync(), f.Close())
	if err != nil {
		return nil, err
	}
	if err := os.Link(f.Name(), name); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return readSecret(name)
}

// readSecret refuses a file that is a link or that other users of the machine can read, because
// whoever knows the secret can sign in as anyone.
func readSecret(name string) ([]byte, error) {
	const others = 0o077
	info, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); !mode.IsRegular() || runtime.GOOS != "windows" && mode.Perm()&others != 0 {
		return nil, fmt.Errorf("%s has mode %v, want a file that only its owner can read", name, mode)
	}
	secret, err := os.ReadFile(name)
	if err == nil && len(secret) < lucia.MinSecretBytes {
		err = fmt.Errorf("%s has %d bytes, want at least %d", name, len(secret), lucia.MinSecretBytes)
	}
	return secret, err
}

// sqliteUsers keeps accounts in SQLite.
type sqliteUsers struct{ db *sql.DB }

func (s *sqliteUsers) Add(ctx context.Context, u User) error {
	n, err := changed(s.db.ExecContext(ctx,
		"INSERT INTO users (id, name_key, username, hash, bio) VALUES (?, ?, ?, ?, ?) ON CONFLICT (name_key) DO NOTHING",
		u.ID, nameKey(u.Username), u.Username, u.hash, u.Bio))
	if err == nil && n == 0 {
		return ErrTaken
	}
	return err
}

func (s *sqliteUsers) ByName(ctx context.Context, name string) (User, error) {
	return s.by(ctx, "name_key", nameKey(name))
}

func (s *sqliteUsers) ByID(ctx context.Context, id string) (User, error) { return s.by(ctx, "id", id) }

func (s *sqliteUsers) by(ctx context.Context, column, value string) (u User, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT id, username, hash, bio FROM users WHERE "+column+" = ?", value).
		Scan(&u.ID, &u.Username, &u.hash, &u.Bio)
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, lucia.ErrUserNotFound
	}
	return u, unavailable(err)
}

func (s *sqliteUsers) SetBio(ctx context.Context, id, bio string) error {
	n, err := changed(s.db.ExecContext(ctx, "UPDATE users SET bio = ? WHERE id = ?", bio, id))
	if err == nil && n == 0 {
		return lucia.ErrUserNotFound
	}
	return err
}

// changed returns how many rows a statement has changed.
func changed(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, unavailable(err)
	}
	n, err := result.RowsAffected()
	return n, unavailable(err)
}

// sqliteNotes keeps notes in SQLite.
type sqliteNotes struct{ db *sql.DB }

func (s *sqliteNotes) List(ctx context.Context, userID string) ([]Note, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, text FROM notes WHERE user_id = ?", userID)
	if err != nil {
		return nil, unavailable(err)
	}
	defer rows.Close()
	texts := make(map[string]string)
	for rows.Next() {
		var id, text string
		if err := rows.Scan(&id, &text); err != nil {
			return nil, unavailable(err)
		}
		texts[id] = text
	}
	return sortNotes(texts), unavailable(rows.Err())
}

func (s *sqliteNotes) Put(ctx context.Context, userID string, n Note) (Note, error) {
	n, isNew, err := cleanNote(n)
	if err != nil {
		return Note{}, err
	}
	statement, none := "UPDATE notes SET text = ?3 WHERE user_id = ?1 AND id = ?2 AND ?4 > 0", error(ErrNotFound)
	if isNew {
		none = errNotes
		statement = "INSERT INTO notes (user_id, id, text) SELECT ?1, ?2, ?3 WHERE (SELECT count(*) FROM notes WHERE user_id = ?1) < ?4"
	}
	count, err := changed(s.db.ExecContext(ctx, statement, userID, n.ID, n.Text, MaxNotes))
	if err == nil && count == 0 {
		err = none
	}
	if err != nil {
		return Note{}, err
	}
	return n, nil
}

func (s *sqliteNotes) Delete(ctx context.Context, userID, id string) error {
	n, err := changed(s.db.ExecContext(ctx, "DELETE FROM notes WHERE user_id = ? AND id = ?", userID, id))
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

// migrationTimeout limits the creation of the tables.
const migrationTimeout = 10 * time.Second
