// Package dbsc implements the wire format of Device Bound Session Credentials
// (https://w3c.github.io/webappsec-dbsc/): the headers, the proofs that browsers sign, and the JSON
// that answers a registration. It keeps no state and decides nothing. The server and the browser of
// package luciatest share it.
//
// The specification is a draft, and Chromium differs from it in places. Where the two differ, the
// package accepts both and writes what Chromium reads.
package dbsc

import "strings"

// Names of headers, in canonical form.
const (
	// HeaderRegistration asks the browser to make a key and to register it.
	HeaderRegistration = "Secure-Session-Registration"
	// HeaderChallenge gives the browser a challenge to sign.
	HeaderChallenge = "Secure-Session-Challenge"
	// HeaderResponse carries the signed proof.
	HeaderResponse = "Secure-Session-Response"
	// HeaderID names the session that the browser wants to refresh.
	HeaderID = "Sec-Secure-Session-Id"
	// HeaderSkipped reports that the browser could not refresh before it sent the request.
	HeaderSkipped = "Secure-Session-Skipped"
)

// Algorithm is the only signature algorithm (RFC 7518, section 3.4).
const Algorithm = "ES256"

// Registration is the content of [HeaderRegistration].
type Registration struct {
	Path      string // where the key is registered
	Challenge string
}

// String returns the header's value. Path and Challenge must consist of visible ASCII without
// quotes and backslashes.
func (r Registration) String() string {
	return `(` + Algorithm + `);path="` + r.Path + `";challenge="` + r.Challenge + `"`
}

// ParseRegistration parses a value of [HeaderRegistration] with one registration. ok is false if
// it has no path or does not offer [Algorithm].
func ParseRegistration(value string) (r Registration, ok bool) {
	list, params := item(value)
	for _, algorithm := range strings.Fields(strings.Trim(list, "()")) {
		ok = ok || algorithm == Algorithm
	}
	r = Registration{Path: params["path"], Challenge: params["challenge"]}
	return r, ok && r.Path != ""
}

// Challenge is the content of [HeaderChallenge].
type Challenge struct {
	Value string
	ID    string // the session's identifier
}

// String returns the header's value, under the condition of [Registration.String].
func (c Challenge) String() string { return `"` + c.Value + `";id="` + c.ID + `"` }

// ParseChallenge parses a value of [HeaderChallenge]. ok is false if there is no challenge.
func ParseChallenge(value string) (c Challenge, ok bool) {
	text, params := item(value)
	return Challenge{Value: text, ID: params["id"]}, text != ""
}

// Text returns the value of a header that is a string or a token, without its quotes and
// parameters. The specification has strings, and Chromium sends them without quotes.
func Text(value string) string {
	text, _ := item(value)
	return text
}

// item splits an item of a structured field (RFC 9651) into its value and its parameters, both
// without quotes. It is lenient: a malformed item yields values that mean nothing.
func item(s string) (value string, params map[string]string) {
	params = map[string]string{}
	parts := split(s)
	for _, p := range parts[1:] {
		name, text, _ := strings.Cut(strings.TrimSpace(p), "=")
		params[name] = unquote(text)
	}
	return unquote(parts[0]), params
}

// split splits s at the semicolons outside of quotes.
func split(s string) (parts []string) {
	quoted, start := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ';' && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(s[1 : len(s)-1])
}

// Instructions are the JSON that answers a registration.
type Instructions struct {
	SessionID   string       `json:"session_identifier"`
	RefreshURL  string       `json:"refresh_url"`
	Scope       Scope        `json:"scope"`
	Credentials []Credential `json:"credentials"`
}

// Scope is where the session applies. The zero Scope is the origin of the registration.
type Scope struct {
	IncludeSite bool `json:"include_site"` // required
}

// Credential is a cookie that the browser keeps fresh.
type Credential struct {
	Type       string `json:"type"` // "cookie"
	Name       string `json:"name"`
	Attributes string `json:"attributes"` // those of Set-Cookie, without a lifetime
}
