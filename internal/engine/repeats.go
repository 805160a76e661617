package engine

import "sync"

// manyRepeats is the number of late repeats of one token that lost responses do not explain. A
// browser that gets no response three times has given up long before.
const manyRepeats = 3

// maxCounted bounds the number of counted tokens: the last maxCounted ones, and at most twice as
// many.
const maxCounted = 1 << 12

// repeatCounter counts how often this process has seen a token repeated late.
type repeatCounter struct {
	mu   sync.Mutex
	seen *recent[generationKey, int]
}

func newRepeatCounter() *repeatCounter {
	return &repeatCounter{seen: newRecent[generationKey, int](maxCounted)}
}

// count counts one more repeat and returns their number.
func (r *repeatCounter) count(s generationKey) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, _ := r.seen.get(s)
	r.seen.put(s, n+1)
	return n + 1
}
