package engine

import (
	"encoding/json"
	"strings"
)

// pageCopy is what pages show of a session besides its access token. It is kept with the cached
// access token once a page has used it.
type pageCopy struct {
	user   string // the user's JSON, as the access token carries it
	cookie SealedToken
	// The token sealed in cookie; empty if no cookie of the session has been opened.
	token RefreshToken
}

// bytes returns the approximate size of the copy.
func (p *pageCopy) bytes() int {
	if p == nil {
		return 0
	}
	return len(p.user) + len(p.cookie) + len(p.token) + pageCopyBytes
}

// pageCopyBytes is the size of a copy without its strings.
const pageCopyBytes = 64

// formField returns the hidden field of a form with the token, and the token as a part of it. The
// field is always a copy, so that the cache does not retain the whole Cookie header.
func (c *Config[U]) formField(token AccessToken) (field string, part AccessToken) {
	var b strings.Builder
	b.Grow(len(c.FieldStart) + len(token) + len(c.FieldEnd))
	b.WriteString(c.FieldStart)
	b.WriteString(string(token))
	b.WriteString(c.FieldEnd)
	field = b.String()
	return field, AccessToken(field[len(c.FieldStart):][:len(token)])
}

// FormField returns the hidden field of a form with the access token, without a copy. It returns ""
// if v is nil or of another token.
func (v *verified[U]) FormField(token AccessToken) string {
	if v == nil || v.session.AccessToken != token {
		return ""
	}
	return v.field
}

// AppendUser appends {"user":…} to b, the JSON form of s without its tokens. The user is what the
// access token carries. Like all output of encoding/json it is safe in a script element of an
// HTML page: <, >, &, U+2028 and U+2029 are escaped. If s.AccessToken is not a token of this
// Engine, AppendUser marshals s.User and returns its error.
func (e *Engine[U]) AppendUser(b []byte, s *Session[U]) ([]byte, error) {
	p, _ := e.pageOf(s, nil, nil)
	if p.user != "" {
		return appendUser(b, p.user), nil
	}
	return appendSession(b, Session[U]{User: s.User})
}

// AppendRefreshed appends what AppendSession appends for the session of r, or AppendUser if tokens
// is false. It need not read the user from the access token if [Engine.Refresh] returned r.
func (e *Engine[U]) AppendRefreshed(b []byte, r *Refreshed[U], tokens bool) ([]byte, error) {
	s := &r.Session
	switch {
	case r.user == nil && tokens:
		return e.AppendSession(b, s, nil, nil)
	case r.user == nil:
		return e.AppendUser(b, s)
	case tokens:
		return appendTokens(appendUser(b, r.user), s.AccessToken, s.RefreshToken), nil
	}
	return appendUser(b, r.user), nil
}

// AppendSession appends the JSON form of s to b with both tokens, as AppendUser does without.
// cookies are the values of the request's refresh cookie. If s has no refresh token,
// AppendSession uses that of the first cookie that can be opened and belongs to the session. If
// there is none, it leaves out the refresh token. v is what Accept returned for the session's
// access token, or nil, in which case AppendSession looks the token up.
func (e *Engine[U]) AppendSession(b []byte, s *Session[U], v *Verified[U], cookies []string) ([]byte, error) {
	if s.RefreshToken != "" {
		cookies = nil
	}
	p, ours := e.pageOf(s, v, cookies)
	if !ours {
		return appendSession(b, *s)
	}
	b = appendTokens(appendUser(b, p.user), s.AccessToken, p.token)
	if s.RefreshToken != "" { // the app may have set it
		b = append(b[:len(b)-1], `,"refresh_token":`...)
		b = append(appendJSONString(b, string(s.RefreshToken)), '}')
	}
	return b, nil
}

// appendTokens appends the tokens to the object at the end of b. They were issued or verified by
// this Engine, so they need no escaping. refresh may be empty.
func appendTokens(b []byte, access AccessToken, refresh RefreshToken) []byte {
	b = append(b[:len(b)-1], `,"access_token":"`...)
	b = append(b, access...)
	if refresh != "" {
		b = append(b, `","refresh_token":"`...)
		b = append(b, refresh...)
	}
	return append(b, `"}`...)
}

func appendUser[T string | json.RawMessage](b []byte, user T) []byte {
	b = append(b, `{"user":`...)
	b = append(b, user...)
	return append(b, '}')
}

// appendSession appends the encoding/json form of s.
func appendSession[U any](b []byte, s Session[U]) ([]byte, error) {
	data, err := json.Marshal(s)
	return append(b, data...), err
}

// pageOf returns what pages show of s, from the cache if it is there. The result has a refresh
// token only if one of the cookies contains it. ours is false if s.AccessToken is not a token of
// this Engine.
func (e *Engine[U]) pageOf(s *Session[U], v *Verified[U], cookies []string) (p pageCopy, ours bool) {
	cached := v != nil && v.session.AccessToken == s.AccessToken
	if !cached {
		v, cached = e.cache.get(s.AccessToken)
	}
	var kept *pageCopy
	var hash fingerprintHash
	if cached {
		kept, hash = v.page.Load(), v.hash
	}
	if kept != nil {
		p.user = kept.user
	} else {
		var claims accessClaims
		if !claims.read(s.AccessToken) {
			return pageCopy{}, false
		}
		p.user, hash = string(claims.User), claims.FingerprintHash
	}
	for _, cookie := range cookies {
		if kept != nil && cookie == string(kept.cookie) {
			return *kept, true
		}
		c, err := e.OpenSealed(SealedToken(cookie))
		if err == nil && c.SessionID == s.ID && c.UserID == s.User.ID && c.hash == hash {
			// Keeps the whole Cookie header from being retained.
			p.cookie, p.token = SealedToken(strings.Clone(cookie)), c.token()
			break
		}
	}
	if cached && (kept == nil || p.token != "") {
		copied := p // p itself stays off the heap
		v.page.Store(&copied)
		e.cache.weighAgain(v)
	}
	return p, true
}
