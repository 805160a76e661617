package engine

import (
	"sync"
	"sync/atomic"
)

// recent is a map that remembers at least the last size and at most twice size
// entries put into it. It is safe for concurrent use, and free while empty.
type recent[K comparable, V any] struct {
	size  int
	used  atomic.Bool
	mu    sync.RWMutex
	young map[K]V
	old   map[K]V
}

func newRecent[K comparable, V any](size int) *recent[K, V] {
	return &recent[K, V]{size: size}
}

func (r *recent[K, V]) get(k K) (V, bool) {
	if !r.used.Load() {
		var none V
		return none, false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if v, ok := r.young[k]; ok {
		return v, true
	}
	v, ok := r.old[k]
	return v, ok
}

// put sets the value of k and reports whether k was unknown.
func (r *recent[K, V]) put(k K, v V) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used.Store(true)
	if len(r.young) >= r.size || r.young == nil {
		r.young, r.old = make(map[K]V), r.young
	}
	_, young := r.young[k]
	_, old := r.old[k]
	r.young[k] = v
	return !young && !old
}

func (r *recent[K, V]) remove(k K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.young, k)
	delete(r.old, k)
}
