package redisstore_test

import (
	"context"
	"errors"
	"log"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/redisstore"
)

// Sessions in Redis. A sign-out waits until a replica has it.
func ExampleNew() {
	opts, err := redisstore.ParseURL("sentinel://s1,s2,s3/main")
	if err != nil {
		log.Fatal(err)
	}
	client := redis.NewUniversalClient(opts)
	defer client.Close()
	store := redisstore.New(client,
		redisstore.WithPrefix("app:sessions:"),
		redisstore.WithTimeout(redisstore.DefaultTimeout/2),
		redisstore.WithWait(1, 100*time.Millisecond))

	err = store.DeleteUser(context.Background(), "u1")
	switch {
	case errors.Is(err, redisstore.ErrNotReplicated):
		log.Print("deleted, but a failover now may bring the sessions back: repeat the call")
	case err != nil:
		log.Print(err)
	}
}
