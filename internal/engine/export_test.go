package engine

// UnderWay returns how many shared refreshes are in progress.
func (e *Engine[U]) UnderWay() int {
	e.refreshes.mu.Lock()
	defer e.refreshes.mu.Unlock()
	return len(e.refreshes.inProgress)
}

// Cached returns the number of tokens in the cache and their weight, after pending maintenance.
func (e *Engine[U]) Cached() (entries int, weight uint64) {
	e.cache.entries.CleanUp()
	return e.cache.entries.EstimatedSize(), e.cache.entries.WeightedSize()
}

// TokenOf returns the refresh token of a credential that was sealed.
func TokenOf(c RefreshCredential) RefreshToken { return c.token() }

// ContentsOf returns the contents of a credential's sealed token.
func ContentsOf(c RefreshCredential) ([]byte, error) {
	return c.claims().appendContents(nil, c.handedAt)
}
