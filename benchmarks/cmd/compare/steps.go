package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/lucia-go/lucia/benchmarks/contend"
	"github.com/lucia-go/lucia/benchmarks/measure"
)

// steps measures the steps of a request one at a time, so that they can be added up and compared
// with the whole.
func steps(_ context.Context, o options) error {
	ways := stepWays()
	results, err := measure.SideBySide(ways, 1, effort(o))
	if err != nil {
		return err
	}
	t := newTable("one step, one core", "time", "allocations")
	for _, w := range ways {
		r := results[w.Name]
		t.add(w.Name, fmt.Sprintf("%.0f ns", r.Nanos), fmt.Sprintf("%.0f", r.Allocs))
	}
	t.print("What a request is made of")
	return nil
}

// sink keeps the compiler from removing unused results.
var sink struct {
	sum   [sha256.Size]byte
	n     int
	bytes []byte
	state *state
	time  time.Time
}

// state is as large as the middleware's state for these users, and holds the request that is
// passed on.
type state struct {
	_       [264]byte
	request http.Request
}

func times(name string, step func(i int)) measure.Way {
	return measure.Way{Name: name, Run: func(n int) {
		for i := range n {
			step(i)
		}
	}}
}

func stepWays() []measure.Way {
	tokens, byToken := make([]string, users), map[string]int{}
	for i := range tokens {
		tokens[i] = contend.AccessToken(i)
		byToken[tokens[i]] = i
	}
	one := tokens[0]
	payload := strings.Split(one, ".")[1]
	line := "access_token=" + one + "; encrypt_refresh_token=" + strings.Repeat("r", 160) + "; fingerprint_token=" + strings.Repeat("f", 64)
	key := []byte(strings.Repeat("k", 32))
	kept := hmac.New(sha256.New, key)
	message := []byte(one)
	r := httptest.NewRequest("GET", contend.Path, nil)
	r.Header = http.Header{"Accept": {page}, "Accept-Language": {"en"}, "User-Agent": {"x"}, "Cookie": {line}}
	profile, _ := json.Marshal(contend.Profile{Username: contend.Name(0), Email: "user@example.com", Role: "member"})
	type key0 struct{}
	ctx := context.WithValue(context.Background(), key0{}, 0)

	return []measure.Way{
		times("seven look-ups in the request's header", func(int) {
			for _, name := range [...]string{"Authorization", "Upgrade", "Cookie", "Sec-Fetch-Dest", "Accept", "Hx-Request", "Vary"} {
				sink.n += len(r.Header[name])
			}
		}),
		times("finding the ends of three cookies", func(int) {
			for rest := line; rest != ""; {
				i := strings.IndexByte(rest, ';')
				if i < 0 {
					break
				}
				sink.n += strings.IndexByte(rest, '=')
				rest = rest[i+1:]
			}
		}),
		times("two cookies through r.Cookie instead", func(int) {
			a, _ := r.Cookie("access_token")
			f, _ := r.Cookie("fingerprint_token")
			sink.n += len(a.Value) + len(f.Value)
		}),
		times("a map look-up of a token", func(i int) { sink.n += byToken[tokens[i%users]] }),
		times("SHA-256 of the fingerprint", func(int) { sink.sum = sha256.Sum256(message[:64]) }),
		times("time.Now", func(int) { sink.time = time.Now() }),
		times("the state with the request in a new context", func(int) {
			s := new(state)
			s.request = *r.WithContext(ctx)
			sink.state = s
		}),
		times("HMAC of a token, state kept", func(int) {
			kept.Reset()
			kept.Write(message)
			sink.bytes = kept.Sum(sink.sum[:0])
		}),
		times("HMAC of a token, new state", func(int) {
			h := hmac.New(sha256.New, key)
			h.Write(message)
			sink.bytes = h.Sum(sink.sum[:0])
		}),
		times("base64 of the claims", func(int) { sink.bytes, _ = base64.RawURLEncoding.DecodeString(payload) }),
		times("encoding/json of three attributes", func(int) {
			var p contend.Profile
			if json.Unmarshal(profile, &p) == nil {
				sink.n += len(p.Role)
			}
		}),
	}
}
