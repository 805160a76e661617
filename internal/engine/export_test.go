package engine

// UnderWay returns how many shared refreshes are in progress.
func (m *Manager[U]) UnderWay() int {
	m.refreshes.mu.Lock()
	defer m.refreshes.mu.Unlock()
	return len(m.refreshes.inProgress)
}

// Cached returns the number of tokens in the cache and their weight, after pending maintenance.
func (m *Manager[U]) Cached() (entries int, weight uint64) {
	m.cache.entries.CleanUp()
	return m.cache.entries.EstimatedSize(), m.cache.entries.WeightedSize()
}

// TokenOf returns the refresh token of a credential that was sealed.
func TokenOf(c RefreshCredential) RefreshToken { return c.token() }

// ContentsOf returns the contents of a credential's sealed token.
func ContentsOf(c RefreshCredential) ([]byte, error) {
	return c.claims().appendContents(nil, c.handedAt)
}
