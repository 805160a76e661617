package engine

// UnderWay returns how many shared refreshes are under way.
func (m *Manager[U]) UnderWay() int {
	m.refreshes.mu.Lock()
	defer m.refreshes.mu.Unlock()
	return len(m.refreshes.inProgress)
}

// Cached returns how many tokens the cache holds, and their weight, once it has
// done what it puts off.
func (m *Manager[U]) Cached() (entries int, weight uint64) {
	m.cache.entries.CleanUp()
	return m.cache.entries.EstimatedSize(), m.cache.entries.WeightedSize()
}

// TokenOf returns the refresh token of a credential that came sealed.
func TokenOf(c RefreshCredential) RefreshToken { return c.token() }

// ContentsOf returns the contents of the sealed token that a credential came in.
func ContentsOf(c RefreshCredential) ([]byte, error) {
	return c.claims().appendContents(nil, c.handedAt)
}
