package memstore_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// BenchmarkRefresh rotates every session in turn. The cost should be the same for a thousand
// sessions and for a million, and for one caller and many.
func BenchmarkRefresh(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		s := memstore.New()
		users, ids := make([]string, n), make([]session.ID, n)
		for i := range n {
			users[i] = userID(i)
			ids[i] = create(b, s, users[i])
		}
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("sessions=%d/callers=%d", n, callers), func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(callers)
				var next atomic.Int64
				ctx := context.Background()
				refresh := func() {
					i := int(next.Add(1)) * 7919 % n // far apart, as users are
					_, err := s.Refresh(ctx, session.RefreshParams{
						UserID: users[i], ID: ids[i], Presented: session.Presentation{Generation: 1}, Policy: policy,
					})
					if err != nil {
						b.Error(err)
					}
				}
				if callers == 1 {
					for b.Loop() {
						refresh()
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						refresh()
					}
				})
			})
		}
	}
}

// BenchmarkMemory measures the memory per session, including its user and id.
func BenchmarkMemory(b *testing.B) {
	for _, each := range []int{1, 3} {
		b.Run(fmt.Sprintf("sessions=1000000/each=%d", each), func(b *testing.B) {
			for b.Loop() {
				const n = 1_000_000
				before := heap()
				s := memstore.New()
				began := time.Now()
				for i := range n {
					create(b, s, userID(i/each))
				}
				created := time.Since(began)
				b.ReportMetric(float64(heap()-before)/n, "B/session")
				b.ReportMetric(float64(created.Nanoseconds())/n, "ns/create")
				runtime.KeepAlive(s)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
