package middleware

import (
	"bytes"
	"cmp"
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mileusna/useragent"

	"github.com/lucia-go/lucia/session"
)

// Device is a session of a user, as the list of their sessions shows it.
type Device struct {
	ID session.ID
	// Current reports whether it is the session of the request whose context was given.
	Current bool
	// Label names the browser and system of the sign-in, such as "Firefox on Windows". It is plain
	// text of at most session.MaxLabelBytes, and empty if they are unknown.
	Label string
	// Address is the prefix of the network address that signed in, or the zero Prefix.
	Address netip.Prefix
	// Began is when the session began. Active is when it was last issued a refresh token, which a
	// browser in use gets about every Config.AccessTTL. Both are times on the store's clock.
	Began, Active time.Time
	// Expires is when the session ends unless it is refreshed.
	Expires time.Time
	// Bound reports whether the session is bound to a key of its browser's device.
	Bound bool
	// ActorID is the user id of the actor, or empty if the users themselves signed in.
	ActorID string
}

// Sessions returns the live sessions of the user, the latest first, for a page that shows people
// where they are signed in. ctx may be that of a request, whose session is then Current. Errors
// carry session.CodeInvalidUserID or session.CodeDatabaseFetchFailed.
func (a *Auth[U]) Sessions(ctx context.Context, userID string) ([]Device, error) {
	list, err := a.engine.Sessions(ctx, userID)
	if err != nil {
		return nil, err
	}
	var current session.ID
	if st := a.findState(ctx); st != nil {
		if s := st.current.Load().sessionOrNil(); s != nil && s.User.ID == userID {
			current = s.ID
		}
	}
	devices := make([]Device, 0, len(list))
	for id, s := range list {
		devices = append(devices, Device{
			ID: id, Current: id == current && current != session.ID{},
			Label: s.Label, Address: s.Address, ActorID: s.ActorID, Bound: s.Generation.Bound(),
			Began: s.CreatedAt.Time(), Active: s.IssuedAt.Time(), Expires: s.ExpiresAt.Time(),
		})
	}
	slices.SortFunc(devices, func(x, y Device) int {
		return cmp.Or(y.Began.Compare(x.Began), bytes.Compare(x.ID[:], y.ID[:]))
	})
	return devices, nil
}

// EndOthers ends all sessions of the request's user except that of the request, as after a change
// of password, and returns how many it ended, or 0 with an error. Call it for a POST. Errors carry
// session.CodeInvalidRequest for a request from another origin, session.CodeNotAuthenticated if
// there is no session, session.CodeDatabaseFetchFailed or session.CodeDatabaseUpdateFailed. After
// the last some of the sessions may have ended; repeating the call is harmless.
func (a *Auth[U]) EndOthers(w http.ResponseWriter, r *http.Request) (ended int, err error) {
	if a.crossOrigin(r) {
		return 0, session.CodeInvalidRequest
	}
	s := a.Session(r.Context())
	if s == nil {
		return 0, session.CodeNotAuthenticated
	}
	setPrivate(w.Header())
	return a.engine.EndOthers(r.Context(), s.User.ID, s.ID)
}

// detailsOf returns the details of the session that a request begins. Of what a client sends, it
// keeps only the name of a known browser and system.
func (a *Auth[U]) detailsOf(r *http.Request) (d session.Details) {
	label := labelOf
	if a.config.DeviceLabel != nil {
		label = a.config.DeviceLabel
	}
	d.Label = plainLabel(label(r))
	addr := remoteAddr(r)
	if a.config.ClientAddress != nil {
		addr = a.config.ClientAddress(r)
	}
	d.Address = prefixOf(addr)
	return d
}

// NoAddress is a value of Config.ClientAddress with which no address is kept.
func NoAddress(*http.Request) netip.Addr { return netip.Addr{} }

// remoteAddr returns the address of the connection. It ignores headers such as X-Forwarded-For,
// because clients may send them.
func remoteAddr(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr, _ := netip.ParseAddr(host)
	return addr
}

// prefixOf truncates an address to its network: 24 bits of IPv4, 48 bits of IPv6. These identify an
// area of a provider and not a person. Addresses of this machine carry no information and are left
// out.
func prefixOf(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() || addr.IsLoopback() || addr.IsUnspecified() {
		return netip.Prefix{}
	}
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	prefix, _ := addr.Prefix(bits) // fails only for other numbers of bits
	return prefix
}

// plainLabel returns a label without control characters and invalid UTF-8, truncated to
// session.MaxLabelBytes.
func plainLabel(s string) string {
	const most = 4 * session.MaxLabelBytes // enough to fill the label even if most of it is dropped
	s = s[:min(len(s), most)]
	s = strings.Map(func(c rune) rune {
		switch {
		case c == utf8.RuneError || !unicode.IsGraphic(c):
			return -1
		case unicode.IsSpace(c):
			return ' '
		}
		return c
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	for len(s) > session.MaxLabelBytes {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return strings.TrimRight(s, " ") // the cut may be behind a space
}

// maxUserAgent is how much of a User-Agent is examined. Those of browsers have about 150 bytes.
const maxUserAgent = 512

// labelOf names the browser and the system of a request, such as "Firefox on Windows". It returns
// "" if it knows neither. All names come from its own lists, so a client cannot choose the text.
func labelOf(r *http.Request) string {
	ua := r.UserAgent()
	agent := useragent.Parse(ua[:min(len(ua), maxUserAgent)])
	browser, system := browsers[agent.Name], systems[agent.OS]
	switch {
	case browser == "":
		return system
	case system == "":
		return browser
	}
	return browser + " on " + system
}

// browsers and systems map the library's names to those that people know.
var (
	browsers = map[string]string{
		useragent.Chrome: "Chrome", useragent.HeadlessChrome: "Chrome", useragent.Firefox: "Firefox", useragent.Safari: "Safari",
		useragent.Edge: "Edge", useragent.Opera: "Opera", useragent.OperaMini: "Opera", useragent.OperaTouch: "Opera",
		useragent.InternetExplorer: "Internet Explorer", useragent.Vivaldi: "Vivaldi", "Samsung Browser": "Samsung Internet",
		useragent.FacebookApp: "Facebook", useragent.InstagramApp: "Instagram", useragent.TiktokApp: "TikTok",
	}
	systems = map[string]string{
		useragent.Windows: "Windows", useragent.WindowsPhone: "Windows", useragent.Android: "Android", useragent.MacOS: "macOS",
		useragent.IOS: "iOS", useragent.Linux: "Linux", useragent.FreeBSD: "FreeBSD", useragent.ChromeOS: "ChromeOS",
	}
)
