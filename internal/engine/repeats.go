package engine

import (
	"sync"
	"time"
)

// manyRepeats is the number of late repeats of one token that lost responses do not explain. A
// browser that got no response three times would have given up long before.
const manyRepeats = 3

// maxCounted bounds the number of counted tokens: the last maxCounted ones, and at most twice as
// many.
const maxCounted = 1 << 12

// repeatCounter counts how often this process has seen a token repeated late.
type repeatCounter struct {
	mu   sync.Mutex
	seen *recent[generationKey, repeats]
}

// repeats are the late repeats of one token.
type repeats struct {
	n    int
	last time.Time
}

func newRepeatCounter() *repeatCounter {
	return &repeatCounter{seen: newRecent[generationKey, repeats](maxCounted)}
}

// count counts one more repeat and returns the kind of its event. A repeat that is less than apart
// after the last one does not count, and the kind is empty.
func (r *repeatCounter) count(s generationKey, apart time.Duration) EventKind {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen, _ := r.seen.get(s)
	now := time.Now()
	if seen.n > 0 && now.Sub(seen.last) < apart {
		return ""
	}
	seen = repeats{seen.n + 1, now}
	r.seen.put(s, seen)
	if seen.n >= manyRepeats {
		return EventManyRepeats
	}
	return EventLateRepeat
}
