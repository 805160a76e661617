package sessiontest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/session"
)

// FeedHarness is a feed under test and what a test can do to it from outside.
type FeedHarness struct {
	// Feed is the feed. It may hold notices from elsewhere, because the suite uses user ids of its
	// own.
	Feed session.Feed

	// Other is the same feed as another process sees it. Nil means Feed itself.
	Other session.Feed

	// Advance moves the feed's clock forward. It is nil if the clock cannot be moved. The suite
	// then waits in real time, never for long.
	Advance func(d time.Duration)

	// Lose empties the feed, as if it had lost its entries in a failover. It is nil if the test
	// cannot do that.
	Lose func()
}

// RunFeed runs the conformance suite of [session.Feed], each case as a subtest. It calls open for
// each case with the t of that case. open registers its own t.Cleanup.
func RunFeed(t *testing.T, open func(t *testing.T) FeedHarness) {
	for _, c := range feedCases {
		t.Run(c.name, func(t *testing.T) { c.run(t, open) })
	}
}

// RunFeedInBubble is RunFeed with each case in its own bubble of testing/synctest. It is for feeds
// whose clock is time.Now.
func RunFeedInBubble(t *testing.T, open func(t *testing.T) FeedHarness) {
	for _, c := range feedCases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.run(t, open) })
		})
	}
}

// feedCase is one clause of the contract.
type feedCase struct {
	name string
	// explanation says what a feed that fails breaks, and for whom.
	explanation string
	test        func(*feedEnv)
}

func (c feedCase) run(t *testing.T, open func(*testing.T) FeedHarness) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.explanation)
		}
	})
	h := open(t)
	if h.Other == nil {
		h.Other = h.Feed
	}
	c.test(&feedEnv{T: t, FeedHarness: h, prefix: "sessiontest/" + rand.Text() + "/"})
}

// feedEnv is what a case works with.
type feedEnv struct {
	*testing.T
	FeedHarness
	prefix string
	count  int
}

// keepLong does not pass while a case runs.
const keepLong = time.Hour

// notice returns a notice that differs from all others.
func (e *feedEnv) notice(kind session.NoticeKind) session.Notice {
	e.count++
	n := session.Notice{Kind: kind, UserID: e.prefix + fmt.Sprint(e.count), IssuedUntil: int64(1_800_000_000 + e.count)}
	if e.count%2 == 0 {
		n.SessionID = session.NewID()
	}
	return n
}

func (e *feedEnv) publish(n session.Notice, keep time.Duration) session.Notice {
	e.Helper()
	if err := e.Feed.Publish(e.Context(), n, keep); err != nil {
		e.Fatalf("Publish: %v", err)
	}
	return n
}

// read reads to the end. It returns the notices of this case and the position.
func (e *feedEnv) read(after session.FeedPosition) ([]session.Notice, session.FeedPosition) {
	e.Helper()
	var own []session.Notice
	for {
		notices, next, err := e.Other.ReadFeed(e.Context(), after)
		if err != nil {
			e.Fatalf("ReadFeed: %v", err)
		}
		if len(notices) == 0 {
			return own, next
		}
		for _, n := range notices {
			if len(n.UserID) > len(e.prefix) && n.UserID[:len(e.prefix)] == e.prefix {
				own = append(own, n)
			}
		}
		after = next
	}
}

func (e *feedEnv) want(what string, got []session.Notice, want ...session.Notice) {
	e.Helper()
	if !slices.Equal(got, want) {
		e.Errorf("%s: read %v, want %v", what, got, want)
	}
}

func (e *feedEnv) pass(d time.Duration) {
	if e.Advance != nil {
		e.Advance(d)
		return
	}
	time.Sleep(d)
}

var feedCases = []feedCase{
	{
		name:        "what is published is read",
		explanation: "Every process reads each notice unchanged, in the order of publication.",
		test: func(e *feedEnv) {
			_, at := e.read("")
			a, b := e.publish(e.notice(session.NoticeEnd), keepLong), e.publish(e.notice(session.NoticeReload), keepLong)
			got, at := e.read(at)
			e.want("from the earlier position", got, a, b)
			got, at = e.read(at)
			e.want("nothing new", got)
			c := e.publish(e.notice(session.NoticeEnd), keepLong)
			got, _ = e.read(at)
			e.want("the new notice", got, c)
			got, _ = e.read("")
			e.want("from the beginning, as a process that starts", got, a, b, c)
		},
	},
	{
		name:        "the same notice again",
		explanation: "A call is repeated after an error. Publishing again is harmless.",
		test: func(e *feedEnv) {
			n := e.notice(session.NoticeEnd)
			for range 2 {
				e.publish(n, keepLong)
			}
			got, _ := e.read("")
			if len(got) == 0 || len(slices.Compact(got)) != 1 || got[0] != n {
				e.Errorf("read %v, want %v once or twice", got, n)
			}
		},
	},
	{
		name:        "user ids of every kind",
		explanation: "A user id is 1 to 256 bytes. No id is changed or mistaken for another.",
		test: func(e *feedEnv) {
			var all []session.Notice
			for _, suffix := range []string{" ", "\x00", "\\", "\"'{}*:", "\n", "ä€𝄞", "\u2028", "a\x00b", "A", "a"} {
				n := session.Notice{Kind: session.NoticeEnd, UserID: e.prefix + suffix, IssuedUntil: 1}
				all = append(all, e.publish(n, keepLong))
			}
			got, _ := e.read("")
			e.want("all", got, all...)
		},
	},
	{
		name:        "more notices than one read returns",
		explanation: "A process that was cut off, or that starts, reads all of them.",
		test: func(e *feedEnv) {
			_, at := e.read("")
			var all []session.Notice
			for range 2500 {
				all = append(all, e.notice(session.NoticeEnd))
			}
			for _, n := range all {
				e.publish(n, keepLong)
			}
			got, _ := e.read(at)
			e.want("all", got, all...)
		},
	},
	{
		name:        "many publish and many read at once",
		explanation: "A reader that continues from its position misses no notice, even if others publish at the same time.",
		test: func(e *feedEnv) {
			const publishers, each = 8, 40
			var all [publishers][]session.Notice
			for i := range all {
				for range each {
					all[i] = append(all[i], e.notice(session.NoticeEnd))
				}
			}
			seen := map[session.Notice]bool{}
			stop, stopped := make(chan struct{}), make(chan session.FeedPosition)
			go func() {
				var at session.FeedPosition
				for {
					notices, next, err := e.Other.ReadFeed(e.Context(), at)
					if err != nil {
						e.Errorf("ReadFeed: %v", err)
					}
					for _, n := range notices {
						seen[n] = true
					}
					at = next
					select {
					case <-stop:
						stopped <- at
						return
					default:
					}
				}
			}()
			var done sync.WaitGroup
			for _, own := range all {
				done.Go(func() {
					for _, n := range own {
						if err := e.Feed.Publish(e.Context(), n, keepLong); err != nil {
							e.Errorf("Publish: %v", err)
						}
					}
				})
			}
			done.Wait()
			close(stop)
			rest, _ := e.read(<-stopped)
			for _, n := range rest {
				seen[n] = true
			}
			missed := 0
			for _, own := range all {
				for _, n := range own {
					if !seen[n] {
						missed++
					}
				}
			}
			if missed > 0 {
				e.Errorf("missed %d of %d notices", missed, publishers*each)
			}
		},
	},
	{
		name:        "notices are kept as long as asked",
		explanation: "A process that starts reads the notices that still concern tokens.",
		test: func(e *feedEnv) {
			a := e.publish(e.notice(session.NoticeEnd), 30*time.Second)
			_, at := e.read("")
			e.pass(10 * time.Millisecond)
			b := e.publish(e.notice(session.NoticeEnd), 30*time.Second)
			got, _ := e.read("")
			e.want("from the beginning", got, a, b)
			got, _ = e.read(at)
			e.want("from the position", got, b)
		},
	},
	{
		name:        "old notices are dropped, and positions in them go on",
		explanation: "The log does not grow without limit. A reader whose last entry was dropped misses no later one.",
		test: func(e *feedEnv) {
			if e.Advance == nil {
				e.Skip("needs a clock that can be advanced")
			}
			var at session.FeedPosition
			const rounds, each = 20, 200
			for range rounds {
				var all []session.Notice
				for range each {
					all = append(all, e.publish(e.notice(session.NoticeEnd), time.Second))
				}
				var got []session.Notice
				got, at = e.read(at)
				for _, n := range all {
					if !slices.Contains(got, n) {
						e.Fatalf("notice %v is missing", n)
					}
				}
				e.Advance(time.Minute)
			}
			got, _ := e.read("")
			if len(got) > rounds*each/2 {
				e.Errorf("%d of %d notices are kept", len(got), rounds*each)
			}
		},
	},
	{
		name:        "a feed that has lost its entries",
		explanation: "After a failover the log may be empty or shorter. A reader whose position was lost misses no later notice.",
		test: func(e *feedEnv) {
			if e.Lose == nil {
				e.Skip("the harness has no Lose, so it cannot lose entries")
			}
			for range 5 {
				e.publish(e.notice(session.NoticeEnd), keepLong)
			}
			_, at := e.read("")
			e.Lose()
			a, b := e.publish(e.notice(session.NoticeEnd), keepLong), e.publish(e.notice(session.NoticeReload), keepLong)
			got, at := e.read(at)
			e.want("after the loss", got, a, b)
			got, _ = e.read(at)
			e.want("nothing new", got)
			e.Lose()
			got, at = e.read(at)
			e.want("from an empty feed", got)
			c := e.publish(e.notice(session.NoticeEnd), keepLong)
			got, _ = e.read(at)
			e.want("after the second loss", got, c)
		},
	},
	{
		name:        "a context that has ended",
		explanation: "A call whose caller has given up changes nothing.",
		test: func(e *feedEnv) {
			ctx, cancel := context.WithCancel(e.Context())
			cancel()
			if err := e.Feed.Publish(ctx, e.notice(session.NoticeEnd), keepLong); !errors.Is(err, context.Canceled) {
				e.Errorf("Publish: %v, want context.Canceled", err)
			}
			_, at := e.read("")
			if got, next, err := e.Feed.ReadFeed(ctx, at); !errors.Is(err, context.Canceled) || got != nil || next != "" {
				e.Errorf("ReadFeed: %v, %q, %v, want context.Canceled alone", got, next, err)
			}
			got, _ := e.read("")
			e.want("afterwards", got)
		},
	},
}
