package middleware_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
)

// The durations of the crowd, and the longest life of a session without activity. An access token
// is accepted for a tenth of its lifetime after its expiry.
const (
	crowdIdle   = time.Minute
	crowdAccess = 15 * time.Second
	crowdGrace  = 2 * time.Second
	crowdBound  = crowdIdle + crowdAccess + crowdGrace + crowdAccess/10
)

// crowdMember is a person with a browser.
type crowdMember struct {
	*browser
	name string
	rng  *rand.Rand
	act  func(*crowdMember)
	down *bool // whether the store is down

	active   time.Time // the last activity that the server has accepted
	next     time.Time // when they will be active next
	leaves   time.Time // when they leave and do not return; zero: not in this test
	reported time.Time // the last activity that the module has reported
	refresh  time.Time // the time of the module's next refresh
	signed   bool
	ends     int // sessions that ended because of IdleTimeout
}

// TestCrowdOfIdleAndActivePeople simulates ten minutes of a thousand people: readers without
// script, readers beside a script that polls, people who work on an open page, and people who leave
// such a page open, with an outage of the store. No active person loses a session, and no session
// without an active person lives longer than its limit.
func TestCrowdOfIdleAndActivePeople(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		people := 1000
		if testing.Short() {
			people = 100
		}
		a := newApp(t, func(c *middleware.Config[profile]) {
			c.IdleTimeout, c.AccessTTL, c.Grace, c.Settle = crowdIdle, crowdAccess, crowdGrace, 4*time.Second
			c.RefreshTTL = time.Hour
		})
		kinds := []func(*crowdMember){(*crowdMember).read, (*crowdMember).readBesideScript, (*crowdMember).work, (*crowdMember).leaveOpen}
		begin, down := time.Now(), false
		crowd := make([]*crowdMember, people)
		for i := range crowd {
			m := &crowdMember{
				browser: newBrowser(t, a), name: fmt.Sprintf("u%d", i), rng: rand.New(rand.NewPCG(1, uint64(i))),
				act: kinds[i%len(kinds)], down: &down,
			}
			if i%len(kinds) == 3 {
				m.leaves = begin.Add(m.within(5 * time.Minute))
			}
			m.enter()
			crowd[i] = m
		}
		for time.Since(begin) < 10*time.Minute {
			time.Sleep(time.Second)
			switch time.Since(begin) {
			case 5 * time.Minute:
				down = true
				a.store.set(errDown, false)
			case 5*time.Minute + 8*time.Second:
				down = false
				a.store.set(nil, false)
			}
			for _, m := range crowd {
				m.act(m)
			}
		}
		ends, left := 0, 0
		for _, m := range crowd {
			ends += m.ends
			live, err := a.store.List(t.Context(), m.name)
			if err != nil {
				t.Fatal(err)
			}
			left += len(live)
			if m.signed && time.Since(m.active) < crowdIdle && len(live) == 0 {
				t.Errorf("%s was active %v ago and has no session", m.name, time.Since(m.active))
			}
		}
		t.Logf("%d people, %d idle ends, %d sessions at the end, %d store calls", people, ends, left, a.store.calls.Load())
		if ends < people/4 {
			t.Errorf("%d idle ends, want one for each person who has left", ends)
		}
	})
}

// within returns a random whole number of seconds from 1 to d.
func (m *crowdMember) within(d time.Duration) time.Duration {
	return time.Duration(1+m.rng.IntN(int(d/time.Second))) * time.Second
}

// enter signs in.
func (m *crowdMember) enter() {
	m.signIn(m.name)
	m.signed, m.active, m.reported = true, time.Now(), time.Now()
	m.refresh = time.Now().Add(crowdAccess * 4 / 5)
	m.plan()
}

// plan chooses the next activity, which is before IdleTimeout has passed.
func (m *crowdMember) plan() { m.next = time.Now().Add(m.within(crowdIdle - time.Second)) }

// accepted records whether the server treated the person as signed in.
func (m *crowdMember) accepted(ok bool) {
	m.t.Helper()
	quiet := time.Since(m.active)
	switch {
	case ok && quiet >= crowdBound:
		m.t.Errorf("%s is signed in %v after the last activity", m.name, quiet)
	case !ok && quiet < crowdIdle:
		m.t.Errorf("%s is signed out %v after the last activity", m.name, quiet)
	case !ok:
		m.signed = false
		m.ends++
	}
}

// read opens a page now and then. The store does not learn of a page view during an outage, so the
// person tries again until it is over. A person whose session has ended by then signs in again.
func (m *crowdMember) read() {
	if time.Now().Before(m.next) {
		return
	}
	if !m.signed {
		m.enter()
		return
	}
	said := m.navigate("/page")
	if *m.down {
		m.next = time.Now().Add(time.Second)
		return
	}
	if m.accepted(strings.HasPrefix(said, m.name+" ")); m.signed {
		m.active = time.Now()
		m.plan()
	}
}

// readBesideScript is read, while a script refreshes the session.
func (m *crowdMember) readBesideScript() {
	if m.signed && m.rng.IntN(5) == 0 {
		said := text(m.t, m.do("GET", "/page", nil, "Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors"))
		if !strings.HasPrefix(said, "unavailable") {
			m.accepted(strings.HasPrefix(said, m.name+" "))
		}
	}
	m.read()
}

// work uses the pointer on an open page, whose module refreshes and reports.
func (m *crowdMember) work() {
	if !m.signed {
		return
	}
	now := time.Now()
	if !now.Before(m.next) && (m.leaves.IsZero() || now.Before(m.leaves)) {
		m.active = now
		m.plan()
		if now.Sub(m.reported) >= crowdIdle/2 {
			m.refresh = now
		}
	}
	if now.Before(m.refresh) {
		return
	}
	resp := m.do("POST", "/api/auth/refresh", nil,
		"Authorization", "Bearer "+m.bearer, "Lucia-Active", strconv.Itoa(int(now.Sub(m.active)/time.Second)))
	var tokens struct {
		Bearer string `json:"refresh_token"`
		Left   int    `json:"expires_in"`
	}
	json.Unmarshal([]byte(text(m.t, resp)), &tokens)
	m.refresh = now.Add(time.Second)
	if resp.StatusCode == 503 {
		return
	}
	m.accepted(resp.StatusCode == 200)
	m.bearer, m.reported = tokens.Bearer, m.active
	m.refresh = now.Add(max(time.Second, time.Duration(tokens.Left)*time.Second*4/5))
}

// leaveOpen is work until the person leaves. The page stays open.
func (m *crowdMember) leaveOpen() { m.work() }
