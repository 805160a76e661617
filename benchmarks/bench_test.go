// Package benchmarks_test contains the comparison as Go benchmarks, so that each of its figures can
// be profiled:
//
//	go test -bench 'Request/lucia_on_net' -cpuprofile cpu.prof
//	go test -bench 'Page/lucia_on_net/http_html' -memprofile mem.prof
//	go test -bench 'Refresh/pool.*/lucia_the_refresh' -mutexprofile mutex.prof
package benchmarks_test

import (
	"strings"
	"testing"

	"github.com/lucia-go/lucia/benchmarks/contend"
	"github.com/lucia-go/lucia/benchmarks/local"
	"github.com/lucia-go/lucia/benchmarks/rotate"
)

// plain returns a name without the characters that have a meaning of their own in patterns of
// go test -bench.
func plain(name string) string {
	return strings.NewReplacer("*", "", ",", "").Replace(name)
}

func startRedis(b *testing.B) string {
	b.Helper()
	server, err := local.StartRedis(b.Context())
	if err != nil {
		b.Skip(err)
	}
	b.Cleanup(server.Stop)
	return server.Addr
}

func BenchmarkRequest(b *testing.B) { benchmark(b, contend.All()) }

func BenchmarkPage(b *testing.B) { benchmark(b, contend.Pages()) }

func benchmark(b *testing.B, list []contend.Contender) {
	env := contend.Env{Users: 1024, Redis: startRedis(b)}
	for _, c := range list {
		b.Run(plain(c.Name), func(b *testing.B) {
			app, err := c.New(env)
			if err != nil {
				b.Fatal(err)
			}
			if app.Close != nil {
				defer app.Close()
			}
			d := contend.NewDriver(app.Handler, app.Cookies, "text/html")
			if err := d.Check(c.Base == ""); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			d.Run(b.N)
		})
	}
}

func BenchmarkRefresh(b *testing.B) {
	addr := startRedis(b)
	for _, kind := range rotate.Clients() {
		conn, err := kind.Open(addr)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		for _, c := range conn.Contenders {
			b.Run(plain(kind.Name)+"/"+plain(c.Name), func(b *testing.B) {
				if err := conn.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
				exchange, err := c.Prepare(b.N)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				b.ResetTimer()
				rate, err := rotate.Rate(64, b.N, exchange)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(rate, "refreshes/s")
			})
		}
	}
}
