package rotate

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/benchmarks/contend"
)

const year = 365 * 24 * time.Hour

func name(kind string, i int) string { return fmt.Sprintf("bench:%s:%08d", kind, i) }

// bare compares and sets, which is the least that a rotation can be.
func bare(client redis.UniversalClient, n int) (func(int) (string, error), error) {
	script := redis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
  return 1
end
return 0`)
	err := each(preparers, n, func(i int) error { return client.Set(ctx, name("bare", i), "old", year).Err() })
	return func(i int) (string, error) {
		done, err := script.Run(ctx, client, []string{name("bare", i)}, "old", "new").Int()
		if err != nil || done == 0 {
			return "", err
		}
		return "new", nil
	}, err
}

// stored is what stands in Redis for a refresh token.
type stored struct {
	User    int       `json:"user_data"`
	Expiry  time.Time `json:"expiry"`
	Created time.Time `json:"created"`
}

// handStore takes the three steps that gin-jwt v3 documents for its Redis store:
// look the token up, store its successor, delete it.
func handStore(client redis.UniversalClient, n int) (func(int) (string, error), error) {
	h, err := newHand(client, n)
	return func(i int) (string, error) {
		_, successor, err := h.exchange(name("hand", i))
		return successor, err
	}, err
}

// handRoute takes them in a handler, which answers with an access token as well.
func handRoute(client redis.UniversalClient, n int) (func(int) (string, error), error) {
	h, err := newHand(client, n)
	fresh := httptest.NewRequest("POST", "/refresh", http.NoBody)
	return func(i int) (string, error) {
		r := *fresh
		r.Header = http.Header{"Cookie": {"refresh_token=" + name("hand", i)}}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, &r)
		switch w.Code {
		case http.StatusOK:
			return w.Header().Get("Set-Cookie"), nil
		case http.StatusUnauthorized:
			return "", nil
		}
		return "", fmt.Errorf("status %d", w.Code)
	}, err
}

type hand struct{ client redis.UniversalClient }

func newHand(client redis.UniversalClient, n int) (hand, error) {
	h := hand{client}
	return h, each(preparers, n, func(i int) error { return h.put(name("hand", i), i) })
}

func (h hand) put(token string, user int) error {
	now := time.Now()
	value, err := json.Marshal(stored{user, now.Add(year), now})
	if err != nil {
		return err
	}
	return h.client.Set(ctx, "gin-jwt:"+token, value, year).Err()
}

// exchange returns the user and the successor of a token, or "" where the token
// is not known.
func (h hand) exchange(token string) (user int, successor string, err error) {
	value, err := h.client.Get(ctx, "gin-jwt:"+token).Bytes()
	if err == redis.Nil {
		return 0, "", nil
	}
	var s stored
	if err == nil {
		err = json.Unmarshal(value, &s)
	}
	if err != nil {
		return 0, "", err
	}
	successor = rand.Text() + rand.Text()
	if err := h.put(successor, s.User); err != nil {
		return 0, "", err
	}
	return s.User, successor, h.client.Del(ctx, "gin-jwt:"+token).Err()
}

func (h hand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie("refresh_token")
	if err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	user, refresh, err := h.exchange(cookie.Value)
	switch {
	case err != nil:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case refresh == "":
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	access := contend.AccessToken(user)
	http.SetCookie(w, &http.Cookie{Name: "refresh_token", Value: refresh, MaxAge: int(year.Seconds()), HttpOnly: true, Secure: true})
	http.SetCookie(w, &http.Cookie{Name: "access_token", Value: access, MaxAge: 900, HttpOnly: true, Secure: true})
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 900})
}

// scsRenew is scs' renewal of a session's token, as after a sign-in.
func scsRenew(client redis.UniversalClient, n int) (func(int) (string, error), error) {
	single, ok := client.(*redis.Client)
	if !ok {
		return nil, nil // its store takes no other client
	}
	manager := scs.New()
	manager.Store = goredisstore.New(single)
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
