//go:build race

package session_test

// The explorer is a single goroutine, in which the race detector finds nothing and slows everything
// down tenfold. With the race detector on, only small worlds are explored.
const raceDetector = true
