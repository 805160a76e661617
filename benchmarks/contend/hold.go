package contend

import "runtime"

// Held is how many MiB a process holds by default.
const Held = 16

// Hold makes this process hold mib MiB of memory until release is called. The memory stands for the
// data of an app. If the heap had nothing but a contender in it, the garbage collector would run
// every 4 MiB, more often than in a real app. With the default it still runs in every round of a
// contender that makes garbage.
func Hold(mib int) (release func()) {
	held := make([]byte, mib<<20)
	return func() { runtime.KeepAlive(held) }
}
