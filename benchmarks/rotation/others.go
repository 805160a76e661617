package rotation

import (
	"maps"
	"time"
)

// counter makes the numbers of tokens. It is not part of the store, so that no number is used
// twice, even after the store has lost a write.
type counter struct{ last int }

func (c *counter) token(parent int) Token {
	c.last++
	return Token{N: c.last, Parent: parent}
}

// superTokens is what supertokens-core does for SDKs that speak CDI 5.6 or later
// (refreshSessionHelper in Session.java): the current token rotates, its predecessor is accepted
// for a fixed time after the rotation, and each refresh makes a new token. Only the token that was
// made last is current.
type superTokens struct {
	counter
	state superTokensState
	grace time.Duration
}

type superTokensState struct {
	current, previous int
	rotated           time.Duration
	ended             bool
}

func (r *superTokens) SignIn() Token {
	t := r.token(0)
	r.state.current = t.N
	return t
}

func (r *superTokens) Refresh(now time.Duration, t Token) (Token, Verdict) {
	s := &r.state
	switch {
	case s.ended:
		return Token{}, Refused
	case t.N == s.current:
		next := r.token(t.N)
		s.current, s.previous, s.rotated = next.N, t.N, now
		return next, Accepted
	case t.N == s.previous && now <= s.rotated+r.grace:
		next := r.token(t.N)
		s.current = next.N
		return next, Accepted
	}
	s.ended = true
	return Token{}, Ended
}

func (r *superTokens) Use(time.Duration, Token) {}

func (r *superTokens) Snapshot() func() {
	saved := r.state
	return func() { r.state = saved }
}

// superTokensLegacy is what supertokens-core does for SDKs that speak CDI 5.4 or earlier: a
// refresh makes a child and writes nothing. The child becomes the current token when it, or the
// access token that was handed out with it, is used.
type superTokensLegacy struct {
	counter
	state struct {
		current int
		ended   bool
	}
}

func (r *superTokensLegacy) SignIn() Token {
	t := r.token(0)
	r.state.current = t.N
	return t
}

func (r *superTokensLegacy) Refresh(_ time.Duration, t Token) (Token, Verdict) {
	s := &r.state
	switch {
	case s.ended:
		return Token{}, Refused
	case t.N != s.current && t.Parent != s.current:
		s.ended = true
		return Token{}, Ended
	}
	s.current = t.N
	return r.token(t.N), Accepted
}

func (r *superTokensLegacy) Use(_ time.Duration, t Token) {
	if !r.state.ended && t.Parent == r.state.current {
		r.state.current = t.N
	}
}

func (r *superTokensLegacy) Snapshot() func() {
	saved := r.state
	return func() { r.state = saved }
}

// supabase is RefreshTokenGrant in internal/tokens/service.go for tokens of the first algorithm:
// each is a row with its parent. A revoked token is answered with the active token if it is the
// parent of that, and with a new token within the reuse interval after it was revoked.
type supabase struct {
	counter
	state    supabaseState
	interval time.Duration
}

type supabaseState struct {
	parent  map[int]int           // of every token of the session
	revoked map[int]time.Duration // updated_at of the revoked tokens
}

func (r *supabase) SignIn() Token {
	r.state = supabaseState{parent: map[int]int{}, revoked: map[int]time.Duration{}}
	return r.make(0)
}

func (r *supabase) make(parent int) Token {
	t := r.token(parent)
	r.state.parent[t.N] = parent
	return t
}

func (r *supabase) Refresh(now time.Duration, t Token) (Token, Verdict) {
	s := r.state
	if _, ok := s.parent[t.N]; !ok {
		return Token{}, Refused // "Refresh Token Not Found"
	}
	if revoked, ok := s.revoked[t.N]; ok {
		if active, ok := r.active(); ok && s.parent[active] == t.N {
			return Token{N: active, Parent: t.N}, Accepted
		}
		if now > revoked+r.interval {
			for n := range s.parent {
				if _, ok := s.revoked[n]; !ok {
					s.revoked[n] = now
				}
			}
			return Token{}, Ended
		}
	}
	s.revoked[t.N] = now
	return r.make(t.N), Accepted
}

// active returns the session's token that is not revoked, or the newest of several.
func (r *supabase) active() (n int, ok bool) {
	for n := r.last; n > 0; n-- {
		if _, exists := r.state.parent[n]; !exists {
			continue
		}
		if _, revoked := r.state.revoked[n]; !revoked {
			return n, true
		}
	}
	return 0, false
}

func (r *supabase) Use(time.Duration, Token) {}

func (r *supabase) Snapshot() func() {
	saved := supabaseState{maps.Clone(r.state.parent), maps.Clone(r.state.revoked)}
	return func() { r.state = saved }
}

// supabaseCounter is the same for tokens of the second algorithm: a session counts its tokens. The
// last token but one is always answered with the last one. Any older token is, too, within the
// reuse interval after the last refresh.
type supabaseCounter struct {
	state struct {
		counter   int
		refreshed time.Duration
		ended     bool
	}
	interval time.Duration
}

func (r *supabaseCounter) SignIn() Token { return Token{N: r.state.counter} }

func (r *supabaseCounter) Refresh(now time.Duration, t Token) (Token, Verdict) {
	s := &r.state
	behind := s.counter - t.N
	switch {
	case s.ended || behind < 0: // "Not Issued By This Server"
		return Token{}, Refused
	case behind == 0:
		s.counter++
	case behind > 1 && now-s.refreshed >= r.interval:
		s.ended = true
		return Token{}, Ended
	}
	s.refreshed = now
	return Token{N: s.counter}, Accepted
}

func (r *supabaseCounter) Use(time.Duration, Token) {}

func (r *supabaseCounter) Snapshot() func() {
	saved := r.state
	return func() { r.state = saved }
}

// familyRule is what the documents of Auth0, Okta and Cognito say: a token is exchanged for a new
// one, and stays valid for a fixed time after that. If it is exchanged twice, the documents do not
// say whether the first successor stays valid. They do not say either what happens if the service
// loses a write.
type familyRule struct {
	counter
	state  familyState
	leeway time.Duration
	reuse  Verdict // the answer to a token that is not valid any more
}

type familyState struct {
	current, previous int
	sibling           bool // previous was exchanged more than once
	rotated           time.Duration
	ended             bool
	lost              bool
}

func (r *familyRule) SignIn() Token {
	t := r.token(0)
	r.state.current = t.N
	return t
}

func (r *familyRule) Refresh(now time.Duration, t Token) (Token, Verdict) {
	s := &r.state
	switch {
	case s.lost:
		return Token{}, Undocumented
	case s.ended:
		return Token{}, Refused
	case t.N == s.current:
		next := r.token(t.N)
		s.current, s.previous, s.sibling, s.rotated = next.N, t.N, false, now
		return next, Accepted
	case t.N == s.previous && r.leeway > 0 && now <= s.rotated+r.leeway:
		next := r.token(t.N)
		s.current, s.sibling = next.N, true
		return next, Accepted
	case s.sibling && t.Parent == s.previous:
		return Token{}, Undocumented
	}
	s.ended = r.reuse == Ended
	return Token{}, r.reuse
}

func (r *familyRule) Use(time.Duration, Token) {}

func (r *familyRule) Snapshot() func() {
	return func() { r.state.lost = true }
}

// keycloak is validateTokenReuse in TokenManager.java with "Revoke Refresh Token" on and a
// "Refresh Token Max Reuse" of zero. It remembers the token that was used last and when a token
// was last issued, in whole seconds.
type keycloak struct {
	counter
	state  keycloakState
	issued map[int]time.Duration // the iat claim of each token
}

type keycloakState struct {
	used      int
	count     int
	refreshed time.Duration
	ended     bool
}

func (r *keycloak) SignIn() Token {
	r.issued = map[int]time.Duration{}
	t := r.token(0)
	r.issued[t.N] = 0
	return t
}

func (r *keycloak) Refresh(now time.Duration, t Token) (Token, Verdict) {
	s := &r.state
	if s.ended {
		return Token{}, Refused
	}
	stale := s.used != 0 && t.N != s.used && r.issued[t.N] < s.refreshed
	if t.N != s.used {
		s.used, s.count = t.N, 0
	}
	if stale || s.count > 0 {
		s.ended = true
		return Token{}, Ended
	}
	s.count++
	next := r.token(t.N)
	r.issued[next.N] = now.Truncate(time.Second)
	s.refreshed = r.issued[next.N]
	return next, Accepted
}

func (r *keycloak) Use(time.Duration, Token) {}

func (r *keycloak) Snapshot() func() {
	saved := r.state
	return func() { r.state = saved }
}

// hydra is GetRefreshTokenSession and RotateRefreshToken in persister_oauth2.go. Without a grace
// period a rotation makes every token of the consent inactive. With a grace period it makes only
// the used token inactive, and that token stays valid for the grace period after its first use.
type hydra struct {
	counter
	state hydraState
	grace time.Duration
}

type hydraState struct {
	used  map[int]time.Duration // when each inactive token was used first
	rows  map[int]bool
	ended bool
}

func (r *hydra) SignIn() Token {
	r.state = hydraState{used: map[int]time.Duration{}, rows: map[int]bool{}}
	return r.make(0)
}

func (r *hydra) make(parent int) Token {
	t := r.token(parent)
	r.state.rows[t.N] = true
	return t
}

func (r *hydra) Refresh(now time.Duration, t Token) (Token, Verdict) {
	s := &r.state
	if s.ended || !s.rows[t.N] {
		return Token{}, Refused
	}
	used, inactive := s.used[t.N]
	if inactive && (r.grace == 0 || now >= used+r.grace) {
		s.ended = true
		return Token{}, Ended
	}
	if r.grace == 0 {
		for n := range s.rows {
			if _, ok := s.used[n]; !ok {
				s.used[n] = now
			}
		}
	} else if !inactive {
		s.used[t.N] = now
	}
	return r.make(t.N), Accepted
}

func (r *hydra) Use(time.Duration, Token) {}

func (r *hydra) Snapshot() func() {
	saved := hydraState{maps.Clone(r.state.used), maps.Clone(r.state.rows), r.state.ended}
	return func() { r.state = saved }
}

// airlock is what the documents of Airlock IAM say of single-use refresh tokens with a grace
// period: a used token may be used again within the grace period as long as no token made from it
// has been used. Only the most recent pair is valid. The documents do not say that a token that
// is not valid ends the session.
type airlock struct {
	counter
	state airlockState
	grace time.Duration
}

type airlockState struct {
	current, previous int
	rotated           time.Duration
	currentUsed       bool
	lost              bool
}

func (r *airlock) SignIn() Token {
	t := r.token(0)
	r.state.current = t.N
	return t
}

func (r *airlock) Refresh(now time.Duration, t Token) (Token, Verdict) {
	s := &r.state
	switch {
	case s.lost:
		return Token{}, Undocumented
	case t.N == s.current:
		next := r.token(t.N)
		s.current, s.previous, s.rotated, s.currentUsed = next.N, t.N, now, false
		return next, Accepted
	case t.N == s.previous && r.grace > 0 && now <= s.rotated+r.grace && !s.currentUsed:
		next := r.token(t.N)
		s.current = next.N
		return next, Accepted
	}
	return Token{}, Refused
}

func (r *airlock) Use(_ time.Duration, t Token) {
	if t.N == r.state.current {
		r.state.currentUsed = true
	}
}

func (r *airlock) Snapshot() func() {
	return func() { r.state.lost = true }
}

// ginJWT is RefreshHandler of gin-jwt v3: a token is valid if the store has it. It makes the new
// token before it deletes the old one, in two steps.
type ginJWT struct {
	counter
	tokens map[int]bool
}

func (r *ginJWT) SignIn() Token {
	t := r.token(0)
	r.tokens = map[int]bool{t.N: true}
	return t
}

func (r *ginJWT) Refresh(_ time.Duration, t Token) (Token, Verdict) {
	if !r.tokens[t.N] {
		return Token{}, Refused
	}
	next := r.token(t.N)
	r.tokens[next.N] = true
	delete(r.tokens, t.N)
	return next, Accepted
}

func (r *ginJWT) Use(time.Duration, Token) {}

func (r *ginJWT) Snapshot() func() {
	saved := maps.Clone(r.tokens)
	return func() { r.tokens = saved }
}
