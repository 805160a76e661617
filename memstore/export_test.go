package memstore

// Held returns how many sessions the store holds, including expired ones.
func (s *Store) Held() (n int) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for _, u := range sh.ring {
			n += len(u.sessions)
		}
		if len(sh.ring) != len(sh.users) {
			panic("memstore: ring and users differ")
		}
		sh.mu.Unlock()
	}
	return n
}
