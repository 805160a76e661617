package contend

import "runtime"

// Held is how many MiB a process holds unless it is told otherwise.
const Held = 16

// Hold makes this process hold memory until release is called, as an app holds
// what it is about. With nothing in the heap but a contender the collector would
// run every 4 MiB, which no app of any size sees; with this it still runs in every
// round of those that make garbage.
func Hold(mib int) (release func()) {
	held := make([]byte, mib<<20)
	return func() { runtime.KeepAlive(held) }
}
