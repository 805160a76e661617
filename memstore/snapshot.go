package memstore

import "slices"

// Snapshot saves the current state of all sessions. Each call of restore returns the store to
// that state, as if it had lost all later writes. It simulates a database that fails over to a
// replica, for tests. Neither function is atomic with respect to other calls.
func (s *Store) Snapshot() (restore func()) {
	var saved [shardCount]map[string][]entry
	for i := range s.shards {
		saved[i] = s.shards[i].save()
	}
	return func() {
		for i := range s.shards {
			s.shards[i].load(saved[i])
		}
	}
}

func (sh *shard) save() map[string][]entry {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	saved := make(map[string][]entry, len(sh.users))
	for id, u := range sh.users {
		saved[id] = slices.Clone(u.sessions)
	}
	return saved
}

func (sh *shard) load(saved map[string][]entry) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	clear(sh.users)
	sh.ring, sh.next = sh.ring[:0:0], 0
	for id, sessions := range saved {
		u := sh.userOrNew(id)
		u.sessions = slices.Clone(sessions)
		for _, e := range sessions {
			sh.expires(u, e.rec.ExpiresAt)
		}
	}
}
