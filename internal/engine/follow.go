package engine

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lucia-go/lucia/session"
)

// feedInterval is how often a process reads the feed. Other processes know of an end after this
// time and two round trips. Reading costs the store four small queries a second for each process.
const feedInterval = 250 * time.Millisecond

// maxUnpublished bounds the notices that could not be published yet.
const maxUnpublished = 1 << 14

// follower reads the feed in a goroutine of its own, and publishes what could not be published
// before.
type follower struct {
	feed     session.Feed
	apply    func(session.Notice)
	reporter *reporter
	calls    limiter
	keep     time.Duration // of a published notice

	stop  context.CancelFunc
	done  chan struct{}
	ready chan struct{} // closed when the feed has been read to its end, or timeout has passed
	up    atomic.Bool   // whether ready is closed; cheaper to read
	lost  atomic.Bool   // whether the feed could not be read for some time

	mu          sync.Mutex
	unpublished map[session.Notice]struct{}
}

// follow starts a follower.
func follow(feed session.Feed, apply func(session.Notice), r *reporter, timeout, keep time.Duration) *follower {
	ctx, stop := context.WithCancel(context.Background())
	f := &follower{
		feed: feed, apply: apply, reporter: r, calls: newLimiter(timeout), keep: keep,
		stop: stop, done: make(chan struct{}), ready: make(chan struct{}),
	}
	go f.run(ctx)
	return f
}

// stopSoon stops the follower without waiting.
func (f *follower) stopSoon() { f.stop() }

// close stops the follower and waits for its goroutine. It does nothing on a nil follower.
func (f *follower) close() {
	if f != nil {
		f.stop()
		<-f.done
	}
}

// run reads the feed until ctx ends. The feed counts as lost if it could not be read to its end for
// the timeout of the calls. Shorter failures delay a notice by no more than a request may take.
func (f *follower) run(ctx context.Context) {
	defer close(f.done)
	defer f.setReady()
	var at session.FeedPosition
	read := time.Now() // when the last reading began that reached the end
	for {
		began := time.Now()
		err := f.read(ctx, &at)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			read = began
			f.setReady()
			if f.lost.CompareAndSwap(true, false) {
				f.reporter.report(Event{Kind: EventFeedRestored})
			}
			f.publishAgain(ctx)
		case time.Since(read) >= f.calls.timeout:
			if f.lost.CompareAndSwap(false, true) {
				f.reporter.report(Event{Kind: EventFeedLost, Err: opaqueError{err, false}})
			}
			f.setReady()
		}
		if !pause(ctx, feedInterval) {
			return
		}
	}
}

// pause waits for d. It reports whether ctx is still active.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *follower) setReady() {
	if f.up.CompareAndSwap(false, true) {
		close(f.ready)
	}
}

// await returns when the process knows what has ended before it started. It waits only once in the
// life of a process, and the timeout limits that wait. It returns at once on a nil follower.
func (f *follower) await() {
	if f != nil && !f.up.Load() {
		<-f.ready
	}
}

// read reads the feed to its end.
func (f *follower) read(ctx context.Context, at *session.FeedPosition) error {
	type page struct {
		notices []session.Notice
		next    session.FeedPosition
	}
	for {
		p, err := callWithTimeout(ctx, f.calls, func(ctx context.Context) (p page, err error) {
			p.notices, p.next, err = f.feed.ReadFeed(ctx, *at)
			return p, err
		})
		if err != nil {
			return fmt.Errorf("read the feed: %w", err)
		}
		for _, n := range p.notices {
			f.apply(n)
		}
		*at = p.next
		if len(p.notices) == 0 {
			return nil
		}
	}
}

// publish publishes a notice under ctx. If that fails, the follower tries again until the notice no
// longer concerns any token.
func (f *follower) publish(ctx context.Context, n session.Notice) error {
	if err := f.feed.Publish(ctx, n, f.keep); err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.unpublished == nil {
			f.unpublished = map[session.Notice]struct{}{}
		}
		if len(f.unpublished) < maxUnpublished {
			f.unpublished[n] = struct{}{}
		}
		return fmt.Errorf("publish to the feed: %w", err)
	}
	return nil
}

// publishAgain publishes what publish could not. It stops at the first failure.
func (f *follower) publishAgain(ctx context.Context) {
	f.mu.Lock()
	left := maps.Clone(f.unpublished)
	f.mu.Unlock()
	for n := range left {
		if time.Since(time.Unix(n.IssuedUntil, 0)) < f.keep {
			_, err := callWithTimeout(ctx, f.calls, func(ctx context.Context) (struct{}, error) {
				return struct{}{}, f.feed.Publish(ctx, n, f.keep)
			})
			if err != nil {
				return
			}
		}
		f.mu.Lock()
		delete(f.unpublished, n)
		f.mu.Unlock()
	}
}
