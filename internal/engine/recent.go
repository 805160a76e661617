package engine

import (
	"sync"
	"sync/atomic"
)

// recent is a map that remembers at least the last size and at most twice size entries. It is
// safe for concurrent use, and takes no lock while it is empty.
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
func (r *recent[K, V]) put(k K, v V) (unknown bool) {
	return r.update(k, func(V) V { return v })
}

// update sets the value of k to the result of change for the former value, or for a zero V if k
// is unknown. It reports whether k was unknown.
func (r *recent[K, V]) update(k K, change func(V) V) (unknown bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used.Store(true)
	v, young := r.young[k]
	if !young {
		var old bool
		v, old = r.old[k]
		unknown = !old
	}
	if r.young == nil || !young && len(r.young) >= r.size {
		r.young, r.old = make(map[K]V), r.young
	}
	r.young[k] = change(v)
	return unknown
}

func (r *recent[K, V]) remove(k K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.young, k)
	delete(r.old, k)
}
