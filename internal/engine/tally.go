package engine

import "sync"

// manyRepeats is how many late repeats of one token are more than lost answers: a
// browser that cannot be answered three times over has given up long before.
const manyRepeats = 3

// maxTallied bounds the tokens that are counted: the last ones, and at most twice
// as many.
const maxTallied = 1 << 12

// repeatCounter counts how often this process has seen a token repeated late.
type repeatCounter struct {
	mu   sync.Mutex
	seen *recent[generationKey, int]
}

func newRepeatCounter() *repeatCounter {
	return &repeatCounter{seen: newRecent[generationKey, int](maxTallied)}
}

// count counts one more and returns how many there are.
func (t *repeatCounter) count(s generationKey) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, _ := t.seen.get(s)
	t.seen.put(s, n+1)
	return n + 1
}
