package rotate

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/benchmarks/contend"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
)

// preparers is the number of goroutines that make tokens.
const preparers = 64

// store is lucia's store alone, without the engine.
func store(client redis.UniversalClient, n int) (Exchange, error) {
	s := redisstore.New(client)
	policy := session.Policy{Grace: 30 * time.Second, Settle: time.Minute, Idle: 365 * 24 * time.Hour, Lifetime: 400 * 24 * time.Hour}
	ids := make([]session.ID, n)
	err := each(preparers, n, func(i int) error {
		ids[i] = session.NewID()
		_, err := s.Create(ctx, session.CreateParams{UserID: contend.ID(i), ID: ids[i], Policy: policy, Max: 100})
		return err
	})
	return func(i int) (string, error) {
		r, err := s.Refresh(ctx, session.RefreshParams{
			UserID: contend.ID(i), ID: ids[i], Policy: policy, RevokeUser: true,
			Presented: session.Presentation{Generation: session.FirstGeneration},
		})
		if err != nil || !r.Outcome.Alive() {
			return "", err
		}
		return fmt.Sprint(r.Record.Generation), nil
	}, err
}

// route is a complete refresh of lucia: the route that a browser calls, with bearer token, refresh
// cookie and fingerprint.
func route(client redis.UniversalClient, n int) (Exchange, error) {
	auth, err := contend.NewAuth(redisstore.New(client), nil)
	if err != nil {
		return nil, err
	}
	type tokens struct{ bearer, cookie string }
	made := make([]tokens, n)
	err = each(preparers, n, func(i int) error {
		s, cookies, err := contend.BeginSession(auth, contend.ID(i))
		if err == nil {
			made[i] = tokens{"Bearer " + string(s.RefreshToken), cookies}
		}
		return err
	})
	routes := auth.RoutesHandler()
	fresh := httptest.NewRequest("POST", "/api/auth/refresh", http.NoBody)
	return func(i int) (string, error) {
		r := *fresh
		r.Header = http.Header{"Authorization": {made[i].bearer}, "Cookie": {made[i].cookie}, "Sec-Fetch-Site": {"same-origin"}}
		w := httptest.NewRecorder()
		routes.ServeHTTP(w, &r)
		if w.Code != http.StatusOK {
			return "", fmt.Errorf("status %d: %s", w.Code, w.Body)
		}
		if n > 1 { // only the rate is measured; the token is not needed
			return "accepted", nil
		}
		var answer struct {
			RefreshToken string `json:"refresh_token"`
		}
		err := json.Unmarshal(w.Body.Bytes(), &answer)
		return answer.RefreshToken, err
	}, err
}
