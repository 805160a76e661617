package rotation

import (
	"cmp"
	"fmt"
	"time"
)

const (
	accessTTL = 15 * time.Minute
	moment    = 50 * time.Millisecond // between two requests that are sent at once
)

// world is one session and its clock.
type world struct {
	rule Rule
	now  time.Duration
}

// party is a holder of tokens of the session: the person's browser, or a thief.
type party struct {
	token   Token
	due     time.Duration // of the next refresh
	failed  Verdict       // of the refresh that signed this party out
	refused time.Duration // when that was
}

func (p *party) out() bool { return p.failed != Accepted }

// refresh exchanges the party's token.
func (w *world) refresh(p *party) Verdict {
	next, verdict := w.rule.Refresh(w.now, p.token)
	if verdict == Accepted {
		p.token, p.due = next, w.now+accessTTL
	} else {
		p.failed, p.refused = verdict, w.now
	}
	return verdict
}

// live lets time pass. Each party makes a request a second after a refresh and then every minute,
// and refreshes when it is due. live returns early if a token is taken for stolen.
func (w *world) live(d time.Duration, parties ...*party) Verdict {
	for end := w.now + d; w.now < end; w.now += time.Second {
		for _, p := range parties {
			switch age := w.now - (p.due - accessTTL); {
			case p.out():
			case w.now >= p.due:
				if verdict := w.refresh(p); verdict == Ended || verdict == Undocumented {
					return verdict
				}
			case age == time.Second || age%time.Minute == 0:
				w.rule.Use(w.now, p.token)
			}
		}
	}
	return Accepted
}

// begin signs a person in, lets them use the app for the time used, and stops when the next refresh
// is due.
func begin(rule Rule, used time.Duration) (*world, *party) {
	w := &world{rule: rule}
	browser := &party{token: rule.SignIn(), due: accessTTL}
	w.live(used, browser)
	w.now = browser.due
	return w, browser
}

// Scenario is a history that every rule is run through.
type Scenario struct {
	Name string
	run  func(rule Rule, used time.Duration) string
}

// ages are the times for which the session has been in use when a scenario begins.
var ages = []time.Duration{0, 2 * time.Hour}

// Run returns the worst result of all ages, for the person or for the thief. Results that severity
// does not order count alike; of these Run returns the last.
func (s Scenario) Run(entry Entry) string {
	worst := ""
	for _, used := range ages {
		if got := s.run(entry.New(), used); severity[got] >= severity[worst] {
			worst = got
		}
	}
	return worst
}

// The results for a person without a thief.
const (
	stays      = "stays"
	oneFails   = "one tab is refused"
	signedOut  = "**signed out**"
	takenFor   = "**taken for a thief**"
	notWritten = "not documented"
)

// severity orders the results of the scenarios without a thief.
var severity = map[string]int{stays: 1, notWritten: 2, oneFails: 3, signedOut: 4, takenFor: 5}

// Failures are the scenarios without a thief.
var Failures = []Scenario{
	{"two tabs refresh at once", func(rule Rule, used time.Duration) string {
		return twoTabs(rule, used, false)
	}},
	{"the same, answers swapped", func(rule Rule, used time.Duration) string {
		return twoTabs(rule, used, true)
	}},
	{"answer lost, again after 1 s", lostAnswer(time.Second)},
	{"after an hour", lostAnswer(time.Hour)},
	{"after 40 days", lostAnswer(40 * 24 * time.Hour)},
	{"browser crashes before it has saved the new token", func(rule Rule, used time.Duration) string {
		w, browser := begin(rule, used)
		saved := browser.token
		if w.refresh(browser) == Accepted {
			w.live(5*time.Second, browser)
		}
		w.now += 10 * time.Minute
		browser.token, browser.due = saved, w.now
		return w.person(browser)
	}},
	{"store loses its last write", func(rule Rule, used time.Duration) string {
		w, browser := begin(rule, used)
		lose := rule.Snapshot()
		w.refresh(browser)
		w.live(10*time.Second, browser)
		lose()
		return w.person(browser)
	}},
	{"a tab wakes with a token from eight hours ago", func(rule Rule, used time.Duration) string {
		w, browser := begin(rule, used)
		page := browser.token
		w.live(8*time.Hour, browser)
		if browser.out() {
			return result(browser)
		}
		w.now += time.Minute
		if chooser, ok := rule.(Chooser); ok {
			page = chooser.Choose(page, browser.token)
		}
		asleep := &party{token: page}
		if w.refresh(asleep) == Accepted {
			browser.token = asleep.token // both tabs share the cookies
		}
		if asleep.failed == Ended || asleep.failed == Undocumented {
			return result(asleep)
		}
		return cmp.Or(tabFails(asleep, w.person(browser)), stays)
	}},
}

// twoTabs sends the same token twice. Both answers set the browser's token; the later one stays.
func twoTabs(rule Rule, used time.Duration, swapped bool) string {
	w, browser := begin(rule, used)
	first, second := &party{token: browser.token}, &party{token: browser.token}
	w.refresh(first)
	w.now += moment
	w.refresh(second)
	if second.failed == Ended || second.failed == Undocumented {
		return result(second)
	}
	browser.token, browser.due = second.token, w.now+accessTTL
	if swapped || second.out() {
		browser.token = first.token
	}
	// Each tab uses the access token that it has received until the next refresh.
	w.now += time.Second
	w.rule.Use(w.now, first.token)
	w.rule.Use(w.now, second.token)
	return tabFails(second, w.person(browser))
}

// tabFails returns the result for the browser, or that one of its tabs was refused.
func tabFails(tab *party, browser string) string {
	if browser == stays && tab.out() {
		return oneFails
	}
	return browser
}

func lostAnswer(after time.Duration) func(Rule, time.Duration) string {
	return func(rule Rule, used time.Duration) string {
		w, browser := begin(rule, used)
		if _, verdict := rule.Refresh(w.now, browser.token); verdict != Accepted {
			return "the first attempt is refused"
		}
		w.now += after
		browser.due = w.now
		return w.person(browser)
	}
}

// person lets the person use the app for another day and returns the result for them.
func (w *world) person(browser *party) string {
	w.live(24*time.Hour, browser)
	return result(browser)
}

func result(p *party) string {
	switch p.failed {
	case Refused:
		return signedOut
	case Ended:
		return takenFor
	case Undocumented:
		return notWritten
	}
	return stays
}

// week is the time in which a thief may be found.
const week = 7 * 24 * time.Hour

// Thefts are the scenarios with a thief, who copies the browser's tokens a minute after a refresh.
var Thefts = []Scenario{
	{"one behind", func(rule Rule, used time.Duration) string { return behind(rule, used, 1) }},
	{"three behind", func(rule Rule, used time.Duration) string { return behind(rule, used, 3) }},
	{"alternating", func(rule Rule, used time.Duration) string {
		w, browser, thief := steal(rule, used)
		thief.due = browser.due - accessTTL/2
		return w.theft(browser, thief)
	}},
	{"in step", func(rule Rule, used time.Duration) string {
		w, browser, thief := steal(rule, used)
		thief.due = browser.due + 5*time.Second
		return w.theft(browser, thief)
	}},
}

func steal(rule Rule, used time.Duration) (w *world, browser, thief *party) {
	w, browser = begin(rule, used)
	w.refresh(browser)
	w.live(time.Minute, browser)
	return w, browser, &party{token: browser.token}
}

// behind lets the browser refresh a number of times before the thief uses the copied tokens.
func behind(rule Rule, used time.Duration, times int) string {
	w, browser, thief := steal(rule, used)
	if verdict := w.live(time.Duration(times)*accessTTL+5*time.Minute, browser); verdict != Accepted {
		return "the browser is refused"
	}
	thief.due = w.now
	return w.theft(browser, thief)
}

// theft lets both use the app for a week and returns the result for the thief.
func (w *world) theft(browser, thief *party) string {
	start := w.now
	verdict := w.live(week, browser, thief)
	switch {
	case verdict == Undocumented:
		return notWritten
	case verdict == Ended:
		end := w.now
		w.live(time.Hour, browser, thief)
		if !thief.out() {
			return "found, and the thief goes on"
		}
		return "found " + passed(end-start)
	case thief.out() && !browser.out():
		return "shut out " + passed(thief.refused-start) + ", unreported"
	case browser.out() && !thief.out():
		return "**the person is signed out " + passed(browser.refused-start) + ", the thief goes on**"
	case browser.out() && thief.out():
		return "both signed out"
	}
	return "**not found in a week**"
}

// passed formats the time d after the theft in words.
func passed(d time.Duration) string {
	switch {
	case d < time.Second:
		return "at once"
	case d < time.Hour:
		return fmt.Sprintf("after %d min", int(d.Round(time.Minute)/time.Minute))
	}
	return fmt.Sprintf("after %.1f h", d.Hours())
}
