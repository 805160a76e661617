package memstore_test

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
	"github.com/lucia-go/lucia/session/sessiontest"
)

func open(*testing.T) sessiontest.Harness {
	s := memstore.New()
	return sessiontest.Harness{Store: s, Advance: time.Sleep, Snapshot: s.Snapshot}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	sessiontest.RunInBubble(t, open)
}

// The suite runs in real time, as the tests of stores on a server do.
func TestConformanceInRealTime(t *testing.T) {
	t.Parallel()
	sessiontest.Run(t, func(*testing.T) sessiontest.Harness {
		return sessiontest.Harness{Store: memstore.New()}
	})
}

// The histories are longer than the suite's, one for each of its policies.
func TestLongHistories(t *testing.T) {
	t.Parallel()
	seed := sessiontest.Seed(t)
	for i := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed+i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { sessiontest.Model(t, open(t), seed+i, 50_000) })
		})
	}
}

func TestCompareAgreesOnTwoOfAKind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := open(t), open(t)
		b.Advance = func(time.Duration) {} // both read the bubble's clock, which a has moved
		sessiontest.Compare(t, a, b, sessiontest.Seed(t), 20_000)
	})
}

var policy = session.Policy{Grace: 30 * time.Second, Settle: time.Minute, Idle: time.Hour, Lifetime: 24 * time.Hour}

func userID(i int) string {
	return "user-with-an-id-of-36-characters-" + strconv.Itoa(100+i%900) + strconv.Itoa(i)
}

func create(t testing.TB, s *memstore.Store, userID string) session.ID {
	t.Helper()
	id := session.NewID()
	_, err := s.Create(t.Context(), session.CreateParams{UserID: userID, ID: id, Policy: policy, Max: 100})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// For a day, a thousand users an hour sign in and do not return. Later sign-ins remove their
// expired sessions, although no call asks for those.
func TestExpiredSessionsGoAsOthersCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		const anHour = 1000
		for i := range 24 * anHour {
			create(t, s, userID(i))
			time.Sleep(time.Hour / anHour)
			if held := s.Held(); held > 2*anHour {
				t.Fatalf("after %d sign-ins, %d live sessions, the store holds %d", i, anHour, held)
			}
		}
	})
}

// Refreshes sweep, too, so that memory is freed even if no user signs in.
func TestRefreshesSweep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		for i := range 1000 {
			create(t, s, userID(i))
		}
		time.Sleep(policy.Idle)
		for i := range 64 * 100 { // enough to reach every shard
			_, err := s.Refresh(t.Context(), session.RefreshParams{UserID: userID(i), Policy: policy})
			if err != nil {
				t.Fatal(err)
			}
		}
		if held := s.Held(); held != 0 {
			t.Errorf("the store still holds %d expired sessions", held)
		}
	})
}

func TestSnapshotIsOfItsTime(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	first := create(t, s, "ann")
	restore := s.Snapshot()
	for range 2 {
		create(t, s, "ann")
		create(t, s, "bob")
		if err := s.Delete(t.Context(), "ann", first); err != nil {
			t.Fatal(err)
		}
		restore()
		ann, err := s.List(t.Context(), "ann")
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := ann[first]; !ok || len(ann) != 1 || s.Held() != 1 {
			t.Errorf("restored %v of %d sessions, want %v alone", ann, s.Held(), first)
		}
	}
}
