//go:build race

package session_test

// The explorer is one goroutine, in which the race detector can find nothing
// but makes everything ten times slower: under it, small worlds only.
const raceDetector = true
