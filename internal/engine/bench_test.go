package engine_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// BenchmarkVerify measures an access token of a session in use (generation 2, confirmed), in a
// process in which people have signed out: from the cache, and when it is first seen.
func BenchmarkVerify(b *testing.B) {
	for _, c := range []struct {
		name  string
		cache int
	}{{"cached", 0}, {"first sight", -1}} {
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
