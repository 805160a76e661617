package client_test

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/session"
)

func sessionOf(id string) *session.Session[profile] {
	return &session.Session[profile]{User: session.User[profile]{ID: id}}
}

func idOf(s *session.Session[profile]) string {
	if s == nil {
		return ""
	}
	return s.User.ID
}

func TestSubscribersAreCalledOnlyForChanges(t *testing.T) {
	t.Parallel()
	store := new(client.SessionStore[profile])
	var heard []string
	unsubscribe := store.Subscribe(func(s *session.Session[profile]) { heard = append(heard, idOf(s)) })
	store.Set(nil) // unchanged
	store.Set(sessionOf("a"))
	store.Set(sessionOf("a")) // an equal session
	store.Update(func(s *session.Session[profile]) *session.Session[profile] {
		other := *s
		other.AccessToken = "new"
		return &other
	})
	store.Set(nil)
	unsubscribe()
	unsubscribe() // harmless
	store.Set(sessionOf("b"))
	if want := []string{"", "a", "a", ""}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
	if got := idOf(store.Get()); got != "b" {
		t.Errorf("Get is %q", got)
	}
}

func TestSubscriberMayCallTheStore(t *testing.T) {
	t.Parallel()
	store := new(client.SessionStore[profile])
	var heard, nested []string
	var unsubscribe func()
	depth := 0
	unsubscribe = store.Subscribe(func(s *session.Session[profile]) {
		if depth++; depth > 1 {
			t.Error("called while it is running")
		}
		defer func() { depth-- }()
		heard = append(heard, idOf(s))
		switch idOf(s) {
		case "a":
			store.Set(sessionOf("b"))
		case "b":
			store.Subscribe(func(s *session.Session[profile]) { nested = append(nested, idOf(s)) })
			unsubscribe()
			store.Set(sessionOf("c"))
		}
	})
	store.Set(sessionOf("a"))
	if want := []string{"", "a", "b"}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
	if want := []string{"b", "c"}; !slices.Equal(nested, want) {
		t.Errorf("nested heard %q, want %q", nested, want)
	}
}

func TestPanickingSubscriberIsCalledAgain(t *testing.T) {
	t.Parallel()
	store := new(client.SessionStore[profile])
	calls := 0
	store.Subscribe(func(s *session.Session[profile]) {
		calls++
		if idOf(s) == "a" {
			panic("subscriber")
		}
	})
	func() {
		defer func() { recover() }()
		store.Set(sessionOf("a"))
	}()
	store.Set(sessionOf("b"))
	if calls != 3 {
		t.Errorf("called %d times, want 3", calls)
	}
}

func TestStoreIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	const writers, rounds = 8, 200
	store := new(client.SessionStore[profile])
	var running, overlaps, last int // without a lock, because calls of one subscriber never overlap
	store.Subscribe(func(s *session.Session[profile]) {
		running++
		if running > 1 {
			overlaps++
		}
		if s != nil {
			last = int(s.Generation)
		}
		running--
	})
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range rounds {
				store.Update(func(s *session.Session[profile]) *session.Session[profile] {
					next := session.Session[profile]{User: session.User[profile]{ID: "u"}}
					if s != nil {
						next = *s
					}
					next.Generation++
					next.AccessToken += "x"
					return &next
				})
			}
		})
		wg.Go(func() { store.Subscribe(func(*session.Session[profile]) {})() })
	}
	wg.Wait()
	if got := store.Get().Generation; got != writers*rounds {
		t.Errorf("%d updates took effect, want %d", got, writers*rounds)
	}
	if overlaps != 0 || last != writers*rounds {
		t.Errorf("%d overlapping calls, last reported %d", overlaps, last)
	}
}

// Subscribe returns after its first call of run is complete, even if other goroutines set sessions
// in the meantime.
func TestSubscribeWaitsForItsFirstCall(t *testing.T) {
	t.Parallel()
	store := new(client.SessionStore[profile])
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				store.Set(sessionOf(strconv.Itoa(i)))
			}
		})
	}
	early := 0
	for range 2000 {
		var done atomic.Bool
		store.Subscribe(func(*session.Session[profile]) {
			runtime.Gosched()
			done.Store(true)
		})()
		if !done.Load() {
			early++
		}
	}
	cancel()
	wg.Wait()
	if early > 0 {
		t.Errorf("Subscribe returned before its first call was done, %d times", early)
	}
}
