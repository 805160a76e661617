package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/sqlstore"
)

// Sessions in a table of the app's own PostgreSQL.
func ExampleNew() {
	ctx := context.Background()
	db, err := sql.Open("pgx", "postgres://localhost/app")
	if err != nil {
		log.Fatal(err)
	}
	store := sqlstore.New(db, sqlstore.Postgres,
		sqlstore.WithTable("auth.sessions"), sqlstore.WithTimeout(2*time.Second))
	if err := store.Migrate(ctx); err != nil { // or with a migration tool, see Schema
		log.Fatal(err)
	}
	if err := store.DeleteUser(ctx, "u1"); errors.Is(err, sqlstore.ErrReadOnly) {
		log.Print("this is a replica: ", session.CodeOf(err))
	}
}

// The statements for a migration tool.
func ExampleSchema() {
	fmt.Println(len(sqlstore.Schema(sqlstore.SQLite, sqlstore.WithTable("sessions"))) > 0)
	// Output: true
}
