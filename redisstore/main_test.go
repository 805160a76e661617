package redisstore_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
)

// silent drops what the client logs: the faults of these tests would fill pages.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(silent{})
	m.Run()
}
