package contend

import "runtime"

// Hold makes this process hold 16 MiB until release is called, as an app holds
// what it is about. With nothing in the heap but a contender the collector would
// run every 4 MiB, which no app of any size sees; with this it still runs in every
// round of those that make garbage.
func Hold() (release func()) {
	held := make([]byte, 16<<20)
	return func() { runtime.KeepAlive(held) }
}
