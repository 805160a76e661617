// Package flash keeps small values in the browser between two requests: the message that the page
// after a redirect shows, what a visitor has chosen before they sign in, the state of a sign-in at
// an identity provider. Apps that used a session library for these need it no longer.
//
//	flashes, err := flash.New(flash.Config{Secret: secret})
//	…
//	flashes.Set(w, "notice", "Saved.")           // before the redirect
//	notice, ok := flashes.Take(w, r, "notice")   // on the next page, or in the same response
//
// Each value is a cookie of its own, encrypted and authenticated. So it needs no store, a person
// cannot read or change it, another host cannot plant it, and two requests at once do not overwrite
// each other's values.
//
// A value is taken once, if the browser deletes the cookie as it is told. A cookie that has been
// copied works until it expires. Do not keep in a flash what must not be used twice, such as a
// voucher. A value belongs to the browser and not to a user. Do not show in it what another person
// who signs in at the same browser must not see.
package flash

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	// DefaultTTL is the default of Config.TTL.
	DefaultTTL = 10 * time.Minute
	// MaxValueBytes is the greatest length of a value. Its cookie then stays below the 4,096 bytes
	// that browsers keep.
	MaxValueBytes = 2048
	// MinSecretBytes is the minimum length of Config.Secret.
	MinSecretBytes = 32
)

// ErrTooLarge is wrapped by the error of Set if the value is longer than MaxValueBytes.
var ErrTooLarge = errors.New("flash: value is too large")

// Config configures a [Flash]. Secret is required.
type Config struct {
	// Secret is the key that the cookies' keys are derived from, at least 32 random bytes. It may
	// be the secret of lucia.Config: the derived keys differ.
	Secret []byte
	// PreviousSecrets are former values of Secret. They open values but do not seal them, so that
	// the secret can be changed without losing values.
	PreviousSecrets [][]byte
	// TTL is how long a value can be taken after Set, at least a second. The default is DefaultTTL.
	TTL time.Duration
	// Prefix is a prefix of the cookies' names, after __Host-. It separates several apps on one
	// host.
	Prefix string
	// CrossSite makes browsers send the cookies with requests from other sites, too
	// (SameSite=None). It is needed if a provider's answer arrives as a form post. CrossSite and
	// Dev exclude each other, because such cookies need HTTPS.
	CrossSite bool
	// Dev is for development over plain HTTP: cookies have neither the Secure attribute nor the
	// __Host- prefix.
	Dev bool
}

// Flash sets and takes values. [New] makes a Flash. It is safe for concurrent use.
type Flash struct {
	config Config
	aeads  []cipher.AEAD // the first one seals
}

// New returns a Flash. It returns an error that describes the problem if config is invalid.
func New(config Config) (*Flash, error) {
	if config.TTL == 0 {
		config.TTL = DefaultTTL
	}
	switch {
	case config.TTL < time.Second:
		return nil, fmt.Errorf("flash: TTL is %v, want at least a second", config.TTL)
	case config.CrossSite && config.Dev:
		return nil, errors.New("flash: CrossSite excludes Dev: such cookies need HTTPS")
	case config.Prefix != "" && !validName.MatchString(config.Prefix):
		return nil, fmt.Errorf("flash: Prefix %q has characters other than letters, digits, _ and -", config.Prefix)
	}
	f := &Flash{config: config}
	for i, secret := range append([][]byte{config.Secret}, config.PreviousSecrets...) {
		if len(secret) < MinSecretBytes {
			return nil, fmt.Errorf("flash: secret %d has %d bytes, want at least %d", i, len(secret), MinSecretBytes)
		}
		key, err := hkdf.Key(sha256.New, secret, nil, "lucia-go/v1/flash", 32)
		if err != nil {
			return nil, fmt.Errorf("flash: %w", err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("flash: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("flash: %w", err)
		}
		f.aeads = append(f.aeads, aead)
	}
	return f, nil
}

// Set sends a value to the browser. A later Set of the same name replaces it, so to add a message
// to those that no page has shown yet, Take them first. The name consists of 1 to 64 letters,
// digits, _ and -. Set returns an error if the name or the value is invalid, and then changes
// nothing. Call it before the response's header is written: it sets a cookie and the headers that
// keep the response out of caches.
func (f *Flash) Set(w http.ResponseWriter, name, value string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("flash: name %q, want 1 to 64 letters, digits, _ and -", name)
	}
	if len(value) > MaxValueBytes {
		return fmt.Errorf("%w: %q has %d bytes, want at most %d", ErrTooLarge, name, len(value), MaxValueBytes)
	}
	plain := binary.BigEndian.AppendUint64(nil, uint64(time.Now().Add(f.config.TTL).UnixMilli()))
	plain = append(plain, value...)
	cookie := f.cookie(name)
	sealed := f.aeads[0].Seal(nil, nil, plain, []byte(cookie.Name))
	cookie.Value = base64.RawURLEncoding.EncodeToString(sealed)
	cookie.MaxAge = int(f.config.TTL / time.Second)
	setCookie(w, cookie)
	return nil
}

// Take returns the value of a name and deletes it from the browser. The value is the one that Set
// has put into this response, or else that of the request: a handler that does not redirect may Set
// a message and render the page that takes it. Take returns false if there is no value, or if it
// has expired or has been tampered with. If there is such a cookie, Take changes the response's
// header, as Set does. So call it before the header is written.
func (f *Flash) Take(w http.ResponseWriter, r *http.Request, name string) (value string, ok bool) {
	if !validName.MatchString(name) {
		return "", false
	}
	expired := f.cookie(name)
	pending := removeCookie(w.Header(), expired.Name)
	sent := r.CookiesNamed(expired.Name)
	if len(sent) > 0 {
		expired.MaxAge = -1
		setCookie(w, expired)
	}
	if pending != nil {
		return f.open(pending)
	}
	return f.first(sent)
}

// Peek returns the value that the request has of a name and leaves it in the browser. It does not
// see what Set has put into this response.
func (f *Flash) Peek(r *http.Request, name string) (value string, ok bool) {
	if !validName.MatchString(name) {
		return "", false
	}
	return f.first(r.CookiesNamed(f.cookie(name).Name))
}

// first returns the first value that is genuine and has not expired.
func (f *Flash) first(cookies []*http.Cookie) (value string, ok bool) {
	for _, cookie := range cookies {
		if value, ok := f.open(cookie); ok {
			return value, true
		}
	}
	return "", false
}

// setCookie sets the cookie in place of an earlier one of its name, and keeps the response out of
// caches.
func setCookie(w http.ResponseWriter, cookie *http.Cookie) {
	removeCookie(w.Header(), cookie.Name)
	http.SetCookie(w, cookie)
	w.Header().Set("Cache-Control", "private, no-store")
}

// removeCookie removes the cookie of a name from a response's header. It returns the cookie, or nil
// if the response does not set it.
func removeCookie(h http.Header, name string) (removed *http.Cookie) {
	kept := slices.DeleteFunc(h["Set-Cookie"], func(line string) bool {
		value, same := strings.CutPrefix(line, name+"=")
		if same {
			value, _, _ = strings.Cut(value, ";")
			removed = &http.Cookie{Name: name, Value: value}
		}
		return same
	})
	if h["Set-Cookie"] = kept; len(kept) == 0 {
		h.Del("Set-Cookie")
	}
	return removed
}

// open returns the value of a cookie that is genuine and has not expired.
func (f *Flash) open(cookie *http.Cookie) (string, bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cookie.Value)
	if err != nil {
		return "", false
	}
	for _, aead := range f.aeads {
		plain, err := aead.Open(nil, nil, sealed, []byte(cookie.Name))
		if err != nil || len(plain) < 8 {
			continue
		}
		expires := time.UnixMilli(int64(binary.BigEndian.Uint64(plain)))
		if !time.Now().Before(expires) {
			return "", false
		}
		return string(plain[8:]), true
	}
	return "", false
}

var validName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// cookie returns the cookie of a name, without a value.
func (f *Flash) cookie(name string) *http.Cookie {
	c := &http.Cookie{
		Name:     "__Host-" + f.config.Prefix + "flash_" + name,
		Path:     "/",
		HttpOnly: true,
		Secure:   true,
		SameSite: http.SameSiteLaxMode,
	}
	if f.config.CrossSite {
		c.SameSite = http.SameSiteNoneMode
	}
	if f.config.Dev {
		c.Name, c.Secure = f.config.Prefix+"flash_"+name, false
	}
	return c
}
