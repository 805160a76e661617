package luciatest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lucia-go/lucia/internal/dbsc"
)

// BindSessions makes the browser bind sessions to keys of its device (Device Bound Session
// Credentials), as Chromium does. It registers a key when the app asks for one. It refreshes a
// bound cookie before a request that lacks it. It returns the browser.
// [Tab.Steal] does not copy the keys. Chromium registers keys, and refreshes bound cookies that
// have less than two minutes left, while other requests go on. This browser does so after the
// request. It has no limit on signatures.
func (b *Browser) BindSessions() *Browser {
	b.device = &device{b: b}
	return b
}

// BoundSessions returns the identifiers of the sessions that the browser has keys for.
func (b *Browser) BoundSessions() (ids []string) {
	if b.device == nil {
		return nil
	}
	b.device.mu.Lock()
	defer b.device.mu.Unlock()
	b.device.catchUp()
	for _, s := range b.device.sessions {
		ids = append(ids, s.id)
	}
	return ids
}

// LoseKeys makes the browser lose the keys of all sessions and keep the cookies, like a profile
// that is copied to another machine.
func (b *Browser) LoseKeys() {
	if b.device == nil {
		return
	}
	b.device.mu.Lock()
	defer b.device.mu.Unlock()
	b.device.catchUp()
	b.device.sessions = nil
}

// device is the part of a browser that binds sessions.
type device struct {
	b        *Browser
	mu       sync.Mutex // held during a refresh, so that others wait for it
	sessions []*deviceSession
	due      []func() // work that the last request has caused
}

// catchUp does the work that is due.
func (d *device) catchUp() {
	due := d.due
	d.due = nil
	for _, do := range due {
		do()
	}
}

// deviceSession is a session that is bound to a key.
type deviceSession struct {
	id      string
	origin  *url.URL
	refresh *url.URL
	cookie  string    // the name of the bound cookie
	expires time.Time // of the bound cookie
	key     *ecdsa.PrivateKey
	proof   string // the latest proof, which is sent until there is a new challenge
}

// clientHints is the Sec-Ch-Ua header of Chromium.
const clientHints = `"Chromium";v="156", "Not.A/Brand";v="24"`

// before refreshes the bound cookies that the request lacks.
func (d *device) before(req *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.catchUp()
	req.Header.Set("Sec-Ch-Ua", clientHints)
	for _, s := range slices.Clone(d.sessions) {
		if originOf(s.origin) != originOf(req.URL) || !refreshes(req) {
			continue
		}
		const ahead = 2 * time.Minute
		if s.has(d.b.jar.Cookies(req.URL)) {
			if time.Until(s.expires) <= ahead {
				d.due = append(d.due, func() { d.refresh(s) })
			}
			continue
		}
		if reason := d.refresh(s); reason != "" {
			req.Header.Add(dbsc.HeaderSkipped, reason+`;session_identifier="`+s.id+`"`)
		}
	}
	d.setCookies(req)
}

// setCookies replaces the jar's cookies in a request by the current ones.
func (d *device) setCookies(req *http.Request) {
	now := d.b.jar.Cookies(req.URL)
	for _, c := range req.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") && !slices.ContainsFunc(now, func(o *http.Cookie) bool { return o.Name == c.Name }) {
			now = append(now, c)
		}
	}
	req.Header.Del("Cookie")
	for _, c := range now {
		req.AddCookie(c)
	}
}

// refreshes reports whether browsers refresh a bound cookie for a request. They do not if another
// site has caused the request.
func refreshes(req *http.Request) bool {
	site := req.Header.Get("Sec-Fetch-Site")
	return site != "cross-site" && site != "same-site"
}

func (s *deviceSession) has(cookies []*http.Cookie) bool {
	return slices.ContainsFunc(cookies, func(c *http.Cookie) bool { return c.Name == s.cookie })
}

// after handles an answer: new lifetimes of bound cookies, and a registration.
func (d *device) after(req *http.Request, resp *http.Response) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.observe(req.URL, resp)
	if r, ok := dbsc.ParseRegistration(resp.Header.Get(dbsc.HeaderRegistration)); ok && req.URL.Scheme == "https" {
		d.due = append(d.due, func() { d.register(req, r) })
	}
}

// observe keeps the lifetimes of bound cookies.
func (d *device) observe(u *url.URL, resp *http.Response) {
	for _, c := range resp.Cookies() {
		for _, s := range d.sessions {
			if originOf(s.origin) == originOf(u) && c.Name == s.cookie {
				s.expires = time.Now().Add(time.Duration(c.MaxAge) * time.Second)
			}
		}
	}
}

// register makes a key and registers it. If that fails, the session remains without a key.
func (d *device) register(from *http.Request, r dbsc.Registration) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		d.b.t.Errorf("luciatest: %v", err)
		return
	}
	at, err := from.URL.Parse(r.Path)
	if err != nil {
		return
	}
	req := d.request(at)
	req.Header.Set(dbsc.HeaderResponse, dbsc.Sign(key, r.Challenge, true))
	if !refreshes(from) {
		req.Header.Del("Cookie") // SameSite=Lax
	}
	resp, body, err := d.exchange(req)
	var in dbsc.Instructions
	if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(body, &in) != nil || in.SessionID == "" || len(in.Credentials) != 1 {
		return
	}
	refresh, err := at.Parse(in.RefreshURL)
	if err != nil {
		return
	}
	s := &deviceSession{id: in.SessionID, origin: at, refresh: refresh, cookie: in.Credentials[0].Name, key: key}
	s.challenge(resp)
	d.sessions = append(slices.DeleteFunc(d.sessions, func(o *deviceSession) bool { return o.id == s.id && originOf(o.origin) == originOf(at) }), s)
	d.observe(at, resp)
}

// challenge signs the challenge of an answer and reports whether there is one.
func (s *deviceSession) challenge(resp *http.Response) bool {
	c, ok := dbsc.ParseChallenge(resp.Header.Get(dbsc.HeaderChallenge))
	if !ok || c.ID != s.id {
		return false
	}
	s.proof = dbsc.Sign(s.key, c.Value, false)
	return true
}

// refresh refreshes a bound cookie as Chromium 156 does. If it fails and the session remains, it
// returns the reason.
func (d *device) refresh(s *deviceSession) (reason string) {
	for range 4 {
		req := d.request(s.refresh)
		req.Header.Set(dbsc.HeaderID, s.id)
		if s.proof != "" {
			req.Header.Set(dbsc.HeaderResponse, s.proof)
		}
		resp, _, err := d.exchange(req)
		if err != nil {
			if resp, _, err = d.exchange(req.Clone(req.Context())); err != nil {
				return "unreachable"
			}
		}
		switch {
		case resp.StatusCode == http.StatusOK:
			s.challenge(resp)
			return ""
		case resp.StatusCode >= http.StatusInternalServerError:
			return "server_error"
		case resp.StatusCode != http.StatusForbidden || !s.challenge(resp):
			d.sessions = slices.DeleteFunc(d.sessions, func(o *deviceSession) bool { return o == s })
			return ""
		}
	}
	d.sessions = slices.DeleteFunc(d.sessions, func(o *deviceSession) bool { return o == s })
	return ""
}

// request returns one of the browser's own requests, with cookies.
func (d *device) request(to *url.URL) *http.Request {
	req, err := http.NewRequestWithContext(d.b.t.Context(), http.MethodPost, to.String(), nil)
	if err != nil {
		panic("luciatest: " + err.Error())
	}
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Origin", originOf(to))
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Mode", "no-cors")
	req.Header.Set("Sec-Fetch-Dest", "empty")
	req.Header.Set("Sec-Ch-Ua", clientHints)
	for _, c := range d.b.jar.Cookies(to) {
		req.AddCookie(c)
	}
	return req
}

// exchange sends one of the browser's own requests and keeps the answer's cookies.
func (d *device) exchange(req *http.Request) (*http.Response, []byte, error) {
	resp, err := d.b.net.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if d.b.loses() {
		return nil, nil, ErrLost
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, errors.Join(ErrLost, err)
	}
	d.b.jar.SetCookies(req.URL, resp.Cookies())
	d.observe(req.URL, resp)
	return resp, body, nil
}

// refreshTarget returns the target of an answer's Refresh header with a delay of at most a second,
// or "". It does not wait for the delay.
func refreshTarget(page *Page) string {
	delay, target, _ := strings.Cut(page.Header.Get("Refresh"), ";")
	if delay = strings.TrimSpace(delay); delay != "0" && delay != "1" {
		return ""
	}
	target = strings.TrimPrefix(strings.TrimSpace(target), "url=")
	if target == "" {
		return page.URL.String()
	}
	return target
}
