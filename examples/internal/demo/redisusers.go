package demo

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia"
)

// redisUsers keeps accounts in Redis: a hash per user, and a key per name that holds the user's
// id. On a cluster the two have different slots, so no step uses both.
type redisUsers struct {
	client  redis.UniversalClient
	timeout time.Duration // of each call
}

// usersTimeout limits each call of Redis, unless -timeout is set.
const usersTimeout = 2 * time.Second

func userKey(id string) string { return keyPrefix + "user:" + id }

// nameKeyOf encodes the name, because braces in it would choose the key's slot.
func nameKeyOf(name string) string {
	return keyPrefix + "name:" + base64.RawURLEncoding.EncodeToString([]byte(nameKey(name)))
}

// unavailable wraps an error of Redis: the app should try again later.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: users: %w", lucia.CodeDatabaseFetchFailed, err)
}

// Add writes the account first, under an id that no name refers to yet, and then claims the name,
// which is one atomic step. A crash in between leaves a few unused bytes.
func (r *redisUsers) Add(ctx context.Context, u User) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	err := r.client.HSet(ctx, userKey(u.ID), "username", u.Username, "hash", u.hash, "bio", u.Bio).Err()
	if err != nil {
		return unavailable(err)
	}
	got, err := r.client.SetNX(ctx, nameKeyOf(u.Username), u.ID, 0).Result()
	if err != nil {
		return unavailable(err) // it is unknown whether the name is claimed, so the account stays
	}
	if got {
		return nil
	}
	// The client repeats a call whose answer was lost, so the name may already be this user's.
	owner, err := r.client.Get(ctx, nameKeyOf(u.Username)).Result()
	if err != nil {
		return unavailable(err)
	}
	if owner == u.ID {
		return nil
	}
	if err := r.client.Del(ctx, userKey(u.ID)).Err(); err != nil {
		return unavailable(err)
	}
	return ErrTaken
}

func (r *redisUsers) ByName(ctx context.Context, name string) (User, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	id, err := r.client.Get(ctx, nameKeyOf(name)).Result()
	if errors.Is(err, redis.Nil) {
		return User{}, lucia.ErrUserNotFound
	}
	if err != nil {
		return User{}, unavailable(err)
	}
	return r.ByID(ctx, id)
}

func (r *redisUsers) ByID(ctx context.Context, id string) (User, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	fields, err := r.client.HGetAll(ctx, userKey(id)).Result()
	if err != nil {
		return User{}, unavailable(err)
	}
	if fields["hash"] == "" {
		return User{}, lucia.ErrUserNotFound
	}
	return User{ID: id, Username: fields["username"], Bio: fields["bio"], hash: fields["hash"]}, nil
}

func (r *redisUsers) SetBio(ctx context.Context, id, bio string) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	if _, err := r.ByID(ctx, id); err != nil {
		return err
	}
	return unavailable(r.client.HSet(ctx, userKey(id), "bio", bio).Err())
}
