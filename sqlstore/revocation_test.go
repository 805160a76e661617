package sqlstore_test

import (
	"testing"

	"github.com/lucia-go/lucia/internal/feedtest"
	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/sqlstore"
)

func TestRevocationsReachOtherProcesses(t *testing.T) {
	onDatabases(t, func(t *testing.T, d database) {
		migrate(t, sqlstore.New(d.pool(t), d.dialect, longTimeout))
		feedtest.Revocations(t, func(t testing.TB) session.Store { return sqlstore.New(d.pool(t), d.dialect, longTimeout) })
	})
}
