package engine

// UnderWay returns how many shared refreshes are under way.
func (m *Manager[U]) UnderWay() int {
	m.flights.mu.Lock()
	defer m.flights.mu.Unlock()
	return len(m.flights.underWay)
}

// Cached returns how many tokens the cache holds, and their weight, once it has
// done what it puts off.
func (m *Manager[U]) Cached() (entries int, weight uint64) {
	m.cache.entries.CleanUp()
	return m.cache.entries.EstimatedSize(), m.cache.entries.WeightedSize()
}
