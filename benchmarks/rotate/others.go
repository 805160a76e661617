package rotate

import (
	"context"
	"fmt"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/benchmarks/contend"
)

const year = 365 * 24 * time.Hour

func name(kind string, i int) string { return fmt.Sprintf("bench:%s:%08d", kind, i) }

const compareAndSet = `if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
  return 1
end
return 0`

// bare compares and sets a value, which is the least that a rotation has to do.
func bare(client redis.UniversalClient, n int) (Exchange, error) {
	script := redis.NewScript(compareAndSet)
	err := each(preparers, n, func(i int) error { return client.Set(ctx, name("bare", i), "old", year).Err() })
	return func(i int) (string, error) {
		done, err := script.Run(ctx, client, []string{name("bare", i)}, "old", "new").Int()
		if err != nil || done == 0 {
			return "", err
		}
		return "new", nil
	}, err
}

// scsRenew renews the token of a session of scs, as apps do after a sign-in.
func scsRenew(client *redis.Client, n int) (Exchange, error) {
	manager := scs.New()
	manager.Store = goredisstore.New(client)
	tokens := make([]string, n)
	err := each(preparers, n, func(i int) (err error) {
		tokens[i], err = contend.SignInSCS(manager, i)
		return err
	})
	return func(i int) (string, error) {
		c, err := manager.Load(context.Background(), tokens[i])
		if err != nil || !manager.Exists(c, "user") {
			return "", err
		}
		if err := manager.RenewToken(c); err != nil {
			return "", err
		}
		successor, _, err := manager.Commit(c)
		return successor, err
	}, err
}
