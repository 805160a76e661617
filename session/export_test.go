package session

// UnderWay returns how many shared refreshes are under way.
func (m *Manager[U]) UnderWay() int {
	m.flights.mu.Lock()
	defer m.flights.mu.Unlock()
	return len(m.flights.underWay)
}
