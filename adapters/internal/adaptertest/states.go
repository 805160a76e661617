package adaptertest

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
)

// state puts a browser, inside a synctest bubble, into the state in which a case begins.
type state func(b *browser)

func anonymous(*browser) {}

func signedIn(b *browser) { b.signIn("u1") }

// expired has an expired access token.
func expired(b *browser) {
	b.signIn("u1")
	time.Sleep(16 * time.Minute)
}

// again has signed in again in another tab. The page has the token of the previous session.
func again(b *browser) {
	b.signIn("u1")
	old := b.bearer
	b.signIn("u1").bearer = old
}

// signedOut has signed out in another tab. The page still has its token.
func signedOut(b *browser) {
	b.signIn("u1")
	b.access, b.refresh, b.fingerprint = "", "", ""
}

// noAccess has lost its access cookie, as browsers do at Max-Age.
func noAccess(b *browser) { b.signIn("u1"); b.access = "" }

func onlyFingerprint(b *browser) { b.signIn("u1"); b.access, b.refresh = "", "" }

func noFingerprint(b *browser) { b.signIn("u1"); b.fingerprint = "" }

// ended has a session that is no longer in the store.
func ended(b *browser) {
	expired(b)
	if err := b.store.Store.Delete(context.Background(), "u1", b.id); err != nil {
		b.t.Fatal(err)
	}
}

// reused has the cookies of a generation whose successor was confirmed long ago.
func reused(b *browser) {
	b.signIn("u1")
	owner := *b
	owner.do("POST", "/api/auth/refresh", "", "Authorization", "Bearer "+string(b.refreshToken))
	time.Sleep(2 * time.Minute)
	r := owner.request("GET", "/quiet", "", navigation...) // confirms the generation
	owner.auth.HandleServerSession(&sink{http.Header{}}, r)
	synctest.Wait()
	time.Sleep(16 * time.Minute)
}

// current has rotated a moment ago and has lost the access cookie since then.
func current(b *browser) {
	b.signIn("u1")
	b.do("POST", "/api/auth/refresh", "", "Authorization", "Bearer "+string(b.refreshToken))
	b.access = ""
}

// repeated did not get the response to a refresh.
func repeated(b *browser) {
	b.signIn("u1")
	lost := *b
	lost.do("POST", "/api/auth/refresh", "", "Authorization", "Bearer "+string(b.refreshToken))
	b.access = ""
}

// forged has an access cookie with a bad signature and no genuine cookie.
func forged(b *browser) { b.signIn("u1"); b.access, b.refresh = flip(b.access), "" }

// forgedAccess has such an access cookie next to a genuine refresh cookie.
func forgedAccess(b *browser) { b.signIn("u1"); b.access = flip(b.access) }

// forgedRefresh has no access cookie, and a refresh cookie that does not open.
func forgedRefresh(b *browser) { noAccess(b); b.refresh = flip(b.refresh) }

// flip changes a character inside a token, where every bit counts.
func flip(token string) string {
	i := len(token) - 9
	c := byte('A')
	if token[i] == c {
		c = 'B'
	}
	return token[:i] + string(c) + token[i+1:]
}

// otherKey has cookies under a key that the app does not have.
func otherKey(b *browser) {
	other := newWorld(b.t, noApp, func(c *middleware.Config[Profile]) { c.Secret = []byte(strings.Repeat("x", 32)) })
	o := other.browser().signIn("u1")
	b.access, b.refresh, b.fingerprint = o.access, o.refresh, o.fingerprint
	b.bearer, b.refreshToken = o.bearer, o.refreshToken
}

// otherFingerprint has the refresh cookie of another sign-in.
func otherFingerprint(b *browser) { noAccess(b); b.refresh = b.world.browser().signIn("u1").refresh }

// storeDown needs a refresh while the store is unavailable.
func storeDown(b *browser) { expired(b); b.store.down.Store(true) }

// outage is an outage of the store while the access token is valid.
func outage(b *browser) { b.signIn("u1"); b.store.down.Store(true) }

// usersDown needs a refresh while LoadUser fails.
func usersDown(b *browser) { expired(b); b.loadErr = errDown }

// tossed has two valid sets of cookies, one of which was planted.
func tossed(b *browser) {
	b.signIn("u1")
	plant(b, b.world.browser().signIn("u2"))
}

// tossedRefresh is tossed with only the refresh cookies left.
func tossedRefresh(b *browser) { tossed(b); b.access = ""; b.extra = b.extra[1:] }

func plant(b, other *browser) {
	b.extra = []string{
		"access_token=" + other.access,
		"encrypt_refresh_token=" + other.refresh,
		"fingerprint_token=" + other.fingerprint,
	}
}

// littered has invalid values of each name next to the valid ones.
func littered(b *browser) {
	b.signIn("u1")
	b.extra = []string{"access_token=x", "encrypt_refresh_token=y", "fingerprint_token=z"}
}

// fourth and fifth have the valid access cookie after others of its name. Four of a name are
// examined.
func fourth(b *browser) { buried(b, 3) }

func fifth(b *browser) { buried(b, 4) }

func buried(b *browser, depth int) {
	b.signIn("u1")
	for i := range depth {
		b.extra = append(b.extra, "access_token=x"+strconv.Itoa(i))
	}
	b.extra = append(b.extra, "access_token="+b.access)
	b.access = ""
}
