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

// Streams returns the number of channels of Ended that are held.
func (e *Engine[U]) Streams() (n int) {
	e.streams.mu.Lock()
	defer e.streams.mu.Unlock()
	for _, own := range e.streams.users {
		n += len(own)
	}
	return n
}

// SetMaxRevokedUsers sets the limit of the remembered revocations.
func (e *Engine[U]) SetMaxRevokedUsers(n int) {
	e.revocations.mu.Lock()
	defer e.revocations.mu.Unlock()
	e.revocations.maxUsers = n
}

// RevokedUsers returns the number of users whose revocations are remembered.
func (e *Engine[U]) RevokedUsers() int {
	e.revocations.mu.RLock()
	defer e.revocations.mu.RUnlock()
	return len(e.revocations.young) + len(e.revocations.old)
}

// IsLate is isLate.
var IsLate = isLate
