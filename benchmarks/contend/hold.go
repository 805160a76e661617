package contend

import "runtime"

// Held is how many MiB a process holds by default.
const Held = 16

// Hold makes this process hold memory until release is called, as the data of an app does. With
// nothing but a contender in the heap, the collector would run every 4 MiB, which does not happen
// in an app of any size. With this memory it still runs in every round of contenders that make
// garbage.
func Hold(mib int) (release func()) {
	held := make([]byte, mib<<20)
	return func() { runtime.KeepAlive(held) }
}
