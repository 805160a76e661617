package redisstore_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
)

// silent discards the client's log, which the faults of these tests would make very long.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(silent{})
	m.Run()
}
