package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/lucia-go/lucia/session"
)

// savedVersion is the version of savedState. A program reports a newer version as an error.
const savedVersion = 1

// savedState is the JSON that a TokenStore keeps.
type savedState[U any] struct {
	Version   int                 `json:"version"`
	Origin    string              `json:"origin"`
	ID        string              `json:"session_id"`
	Lucia     *session.Session[U] `json:"_lucia"`
	IssuedAt  time.Time           `json:"issued_at"`
	ExpiresAt time.Time           `json:"expires_at"`
	Cookies   cookieSet           `json:"cookies"`
}

func (c *Client[U]) encodeSaved(s *session.Session[U], set cookieSet) ([]byte, error) {
	return json.Marshal(savedState[U]{
		Version:   savedVersion,
		Origin:    c.origin.String() + c.cfg.BasePath,
		ID:        s.ID.String(),
		Lucia:     s,
		IssuedAt:  s.IssuedAt,
		ExpiresAt: s.ExpiresAt,
		Cookies:   set,
	})
}

// decodeSaved is the inverse of encodeSaved. It refuses a session of another server, because the
// server of this client must not see its tokens.
func (c *Client[U]) decodeSaved(data []byte) (*session.Session[U], cookieSet, error) {
	var v savedState[U]
	if err := json.Unmarshal(data, &v); err != nil {
		if _, ok := errors.AsType[*time.ParseError](err); ok {
			err = errors.New("a time is malformed") // the error of package time contains the text
		}
		return nil, cookieSet{}, fmt.Errorf("%w: %w", ErrSavedSession, err)
	}
	switch here := c.origin.String() + c.cfg.BasePath; {
	case v.Version != savedVersion:
		return nil, cookieSet{}, fmt.Errorf("%w: it is of version %d, want %d", ErrSavedSession, v.Version, savedVersion)
	case v.Origin != here:
		return nil, cookieSet{}, fmt.Errorf("client: saved session belongs to %q, not to %q", v.Origin, here)
	case v.Lucia == nil:
		return nil, cookieSet{}, fmt.Errorf("%w: it is empty", ErrSavedSession)
	}
	id, err := session.ParseID(v.ID)
	if err != nil {
		return nil, cookieSet{}, fmt.Errorf("%w: %w", ErrSavedSession, err)
	}
	s := v.Lucia
	if err := checkWire(s); err != nil {
		return nil, cookieSet{}, fmt.Errorf("%w: %w", ErrSavedSession, err)
	}
	if !c.names.own(v.Cookies) {
		return nil, cookieSet{}, fmt.Errorf("%w: its cookies are not those of the library", ErrSavedSession)
	}
	s.ID, s.IssuedAt, s.ExpiresAt = id, v.IssuedAt, v.ExpiresAt
	if p, err := readPayload(s.AccessToken); err == nil {
		s.Generation = p.Generation
	}
	return s, v.Cookies, nil
}

// savedSession guards the TokenStore. Its methods do nothing if the client has no TokenStore.
type savedSession struct {
	tokens  TokenStore
	timeout time.Duration

	mu   sync.Mutex
	last []byte // the data that this client last loaded or saved
	// unsavedID is the session that the TokenStore should hold and does not, because the session is
	// new or could not be saved.
	unsavedID session.ID
	behind    bool  // the TokenStore holds an older generation, which could not be removed
	err       error // why the TokenStore is not up to date; nil if it is
	failures  int
	retry     time.Time // when to try again to save
}

// lockedSession is a locked savedSession with the data that the TokenStore holds.
type lockedSession struct {
	k      *savedSession
	data   []byte
	unlock func()
}

// lock locks the TokenStore and loads the saved session. The error wraps that of the TokenStore.
func (k *savedSession) lock(ctx context.Context) (*lockedSession, error) {
	h := &lockedSession{k: k, unlock: func() {}}
	if k.tokens == nil {
		return h, nil
	}
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	unlock, err := k.tokens.Lock(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock saved session: %w", err)
	}
	h.unlock = unlock
	if h.data, err = k.tokens.Load(ctx); err != nil {
		unlock()
		return nil, fmt.Errorf("load saved session: %w", err)
	}
	return h, nil
}

// changed reports whether another run of the program has saved other data since this client last
// loaded or saved.
func (h *lockedSession) changed() bool {
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	return h.data != nil && !bytes.Equal(h.data, h.k.last)
}

// noteLoaded records that this client uses the saved session.
func (h *lockedSession) noteLoaded() {
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	h.k.last = h.data
	h.k.resetLocked()
}

// removed reports whether another run of the program has removed the session that this client
// loaded or saved.
func (h *lockedSession) removed() bool {
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	return h.data == nil && h.k.last != nil && h.k.unsavedID == session.ID{}
}

// release records that the TokenStore no longer holds a session of this client.
func (h *lockedSession) release() {
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	h.k.last = nil
}

// save saves data, which belongs to the session id. If that fails, it removes the older data: it is
// better that a later run has to sign in than that the server treats its older tokens as stolen.
// save does not stop half-way when ctx ends.
func (h *lockedSession) save(ctx context.Context, id session.ID, data []byte) error {
	if h.k.tokens == nil {
		return nil
	}
	err := h.write(ctx, data)
	if err == nil {
		h.k.reset()
		return nil
	}
	h.k.failed(id, err)
	behind := h.data != nil && h.write(ctx, nil) != nil
	h.k.setBehind(behind)
	return err
}

// remove removes the saved session.
func (h *lockedSession) remove(ctx context.Context) error {
	h.k.reset()
	if h.data == nil {
		return nil
	}
	err := h.write(ctx, nil)
	if err != nil {
		h.k.removeFailed(err)
	}
	return err
}

func (h *lockedSession) write(ctx context.Context, data []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.k.timeout)
	defer cancel()
	err := h.k.tokens.Save(ctx, data)
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	if err != nil {
		h.k.last = h.data
		return notSaved(err)
	}
	h.k.last, h.data = data, data
	return nil
}

// reset records that the TokenStore is up to date.
func (k *savedSession) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.resetLocked()
}

// resetLocked is reset for callers that hold k.mu.
func (k *savedSession) resetLocked() {
	k.unsavedID, k.behind, k.err, k.failures, k.retry = session.ID{}, false, nil, 0, time.Time{}
}

// removeFailed records that a session has ended and could not be removed from the TokenStore.
func (k *savedSession) removeFailed(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}

// failed records a failure to save the session.
func (k *savedSession) failed(id session.ID, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unsavedID != id {
		k.resetLocked()
	}
	k.unsavedID, k.err = id, err
	k.failures++
	k.retry = time.Now().Add(backoff(k.failures, 0))
}

// forever is a duration that never elapses.
const forever = time.Duration(math.MaxInt64)

// retryIn returns how long to wait before the next attempt to save the session, or forever if it is
// saved.
func (k *savedSession) retryIn(id session.ID, now time.Time) time.Duration {
	if !k.isUnsaved(id) {
		return forever
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.retry.Sub(now)
}

func (k *savedSession) setBehind(behind bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.behind = behind
}

func (k *savedSession) isBehind() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.behind
}

func (k *savedSession) isUnsaved(id session.ID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.unsavedID == id && id != session.ID{}
}

// SaveErr returns why the TokenStore is not up to date. The error is an [*Error] that
// wraps [ErrNotSaved] and the TokenStore's own error. It is nil if the TokenStore is up to date
// or if there is none. Call it after a sign-in or sign-out, or before the program ends.
//
// If saving fails, the client removes the older session from the TokenStore if it can, because the
// server treats older tokens as stolen. A later run of the program then has to sign in.
// [Client.HandleSilentRefresh] and [Transport] try again to save the session. Removing a session
// that has ended is not tried again.
func (c *Client[U]) SaveErr() error {
	c.saved.mu.Lock()
	defer c.saved.mu.Unlock()
	if c.saved.err == nil {
		return nil
	}
	return unknown(opSave, c.saved.err)
}

// resume loads the saved session, if there is one.
func (c *Client[U]) resume(ctx context.Context) error {
	if c.saved.tokens == nil {
		return nil
	}
	h, err := c.saved.lock(ctx)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	defer h.unlock()
	if h.data == nil {
		return nil
	}
	s, set, err := c.decodeSaved(h.data)
	if err != nil {
		return err
	}
	h.noteLoaded()
	c.jar.set = set
	c.store.value = s
	return nil
}
