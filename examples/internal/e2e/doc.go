// Package e2e holds the tests that every example passes: over HTTP and in Chromium,
// with each example as a process of its own, in memory and on Redis. It has no code
// but tests.
package e2e
