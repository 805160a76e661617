package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/benchmarks/contend"
	"github.com/lucia-go/lucia/benchmarks/measure"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// liveSessions shows how the number of sessions affects the cost of a request: of sessions that
// exist, and of sessions in use, where tokens that do not fit into the token cache are verified
// again.
func liveSessions(_ context.Context, o options) error {
	many := pick(o, 100_000, 30_000)
	defer contend.Hold(o.held)()
	t := newTable("live sessions, one core", "1,024 of them in use", fmt.Sprintf("%d in use, cache of 32 MiB", many), "the same, cache of 256 MiB")
	store := memstore.New()
	auth, err := contend.NewInUse(store, 0)
	if err != nil {
		return err
	}
	var cookies []string
	live := 0
	for _, n := range []int{users, many, pick(o, 1_000_000, 60_000)} {
		for ; live < n; live++ {
			if err := begin(auth, store, live, many, &cookies); err != nil {
				return err
			}
		}
		cells := []string{fmt.Sprint(n)}
		for _, c := range []struct{ inUse, cache int }{{users, 0}, {many, 0}, {many, 256 << 20}} {
			ns, err := withSessions(o, store, cookies[:min(len(cookies), c.inUse)], c.cache)
			if err != nil {
				return err
			}
			cells = append(cells, micros(ns))
		}
		t.add(cells...)
	}
	t.print("Live sessions")
	return nil
}

// begin begins session i and keeps its cookies if the session is to be in use.
func begin(auth *lucia.Auth[contend.Profile], store session.Store, i, inUse int, cookies *[]string) error {
	if i >= inUse {
		_, err := store.Create(context.Background(), session.CreateParams{
			UserID: contend.ID(i), ID: session.NewID(), Max: lucia.DefaultMaxSessions,
			Policy: session.Policy{Grace: lucia.DefaultGrace, Settle: lucia.DefaultSettle, Idle: lucia.DefaultRefreshTTL, Lifetime: lucia.DefaultLifetime},
		})
		return err
	}
	header, err := contend.SignIn(auth, contend.ID(i))
	*cookies = append(*cookies, header)
	return err
}

// withSessions returns the cost of a request, with the cookies used in random order.
func withSessions(o options, store session.Store, cookies []string, cache int) (nanos float64, err error) {
	auth, err := contend.NewInUse(store, cache)
	if err != nil {
		return 0, err
	}
	handler := nethttp.Wrap(auth, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := auth.Session(r.Context())
		if s == nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		io.WriteString(w, s.User.Data.Username)
	}))
	contend.NewDriver(handler, cookies, page).Run(len(cookies)) // every token is verified once
	// In the order of their first use, the cached tokens would follow one another, and a round
	// would use only cached tokens or none.
	cookies = slices.Clone(cookies)
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(cookies), func(i, j int) { cookies[i], cookies[j] = cookies[j], cookies[i] })
	d := contend.NewDriver(handler, cookies, page)
	const way = "request"
	e := effort(o)
	e.Rounds /= 3
	results, err := measure.SideBySide([]measure.Way{{Name: way, Run: d.Run}}, 1, e)
	return results[way].Nanos, err
}
