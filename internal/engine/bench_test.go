package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// BenchmarkVerify measures verifying an access token of a session in use (generation 2, confirmed)
// in a process in which people have signed out: from the cache, and the first time.
func BenchmarkVerify(b *testing.B) {
	for _, c := range []struct {
		name  string
		cache int
	}{{"cached", 0}, {"first time", -1}} {
		b.Run(c.name, func(b *testing.B) {
			m := newEngine(b, func(c2 *engine.Config[profile]) {
				c2.Cache, c2.Settle, c2.AccessTTL = c.cache, -1, time.Hour
			})
			const users = 1024
			var jars [users]jar
			for i := range jars {
				jars[i] = signIn(b, m, fmt.Sprint("user", i))
				if o, err := jars[i].refresh(b, m); o != session.Rotated || err != nil {
					b.Fatal(o, err)
				}
			}
			gone := signIn(b, m, "gone")
			s, err := m.Verify(gone.access, gone.fingerprint)
			if err != nil {
				b.Fatal(err)
			}
			if err := errors.Join(m.SignOut(b.Context(), "gone", s.ID), m.RevokeUser(b.Context(), "gone")); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					j := &jars[i%users]
					if _, err := m.Verify(j.access, j.fingerprint); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkRefresh measures a rotation in memstore: it opens the sealed cookie, parses the bearer
// token, rotates, signs two tokens and seals one.
func BenchmarkRefresh(b *testing.B) {
	m := newEngine(b, nil)
	const users = 1024
	var jars []jar
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%users == 0 {
			b.StopTimer()
			jars = jars[:0]
			for n := range users {
				jars = append(jars, signIn(b, m, fmt.Sprint("user", i+n)))
			}
			b.StartTimer()
		}
		if o, err := jars[i%users].refresh(b, m); o != session.Rotated || err != nil {
			b.Fatal(o, err)
		}
	}
}

// BenchmarkUnavailable measures a refresh while the store hangs: before the breaker opens, which
// takes Timeout, and after.
func BenchmarkUnavailable(b *testing.B) {
	for _, open := range []bool{false, true} {
		b.Run(fmt.Sprintf("breaker open %v", open), func(b *testing.B) {
			a := newApp(b, func(c *engine.Config[profile]) { c.OnEvent = nil })
			jars := []jar{signIn(b, a.Engine, "u0"), signIn(b, a.Engine, "u1"), signIn(b, a.Engine, "u2")}
			a.store.set(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
			var ready sync.WaitGroup
			for i := range jars {
				if open {
					ready.Go(func() { _, _ = jars[i].refresh(b, a.Engine) })
				}
			}
			ready.Wait()
			credentials := jars[0].credentials(b, a.Engine)
			b.ReportAllocs()
			refused := 0
			for b.Loop() {
				_, err := a.Refresh(b.Context(), jars[0].fingerprint, credentials...)
				if err == nil {
					b.Fatal("the call succeeds although the store hangs")
				}
				if strings.Contains(err.Error(), "circuit breaker") {
					refused++
				}
				if open && refused == 0 {
					b.Fatalf("the breaker is not open: %v", err)
				}
			}
		})
	}
}
