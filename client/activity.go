package client

import (
	"strconv"
	"sync/atomic"
	"time"
)

// lastUse remembers when a person last used the program, for servers with an IdleTimeout. The zero
type lastUse struct{ at atomic.Pointer[time.Time] }

// note records that a person uses the program now.
func (u *lastUse) note() {
	now := time.Now()
	u.at.Store(&now)
}

// seconds returns how many seconds ago the last use was, rounded up, in the form of the header
// Lucia-Active. It uses the longer of two ages, because the monotonic clock stops while some
// machines sleep, and the wall clock may be set back. ok is false if there was no use.
func (u *lastUse) seconds(now time.Time) (seconds string, ok bool) {
	at := u.at.Load()
	if at == nil {
		return "", false
	}
	age := max(0, now.Sub(*at), now.Round(0).Sub(at.Round(0)))
	return strconv.FormatInt(int64((age+time.Second-1)/time.Second), 10), true
}
