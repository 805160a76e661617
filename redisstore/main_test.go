package redisstore_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
)

// silent drops the client's log, which would be very long with the faults of these tests.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(silent{})
	m.Run()
}
