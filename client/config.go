package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/lucia-go/lucia/internal/wire"
)

// Config configures a [Client]. Only BaseURL is required.
type Config struct {
	// BaseURL is the app's origin, such as "https://app.example". Tokens and
	// cookies of the library go to this scheme, host and port only.
	BaseURL string

	// BasePath is where the library's routes live, as the server configures it.
	// Default: "/api/auth".
	BasePath string

	// CookiePrefix is the server's option of that name. Default: none.
	CookiePrefix string

	// TokenStore keeps the session between runs of the program. Default: none,
	// the session ends with the program (on this side; [Client.SignOut] ends it
	// on the server).
	TokenStore TokenStore

	// Transport carries all requests. Default: http.DefaultTransport.
	Transport http.RoundTripper

	// Jar keeps the app's own cookies. The app's library cookies are neither put
	// into it nor taken from it. Default: an empty one.
	Jar http.CookieJar

	// Timeout bounds each exchange with the library's routes, and each wait for
	// the TokenStore's lock. It does not bound requests to the app. Default:
	// 10 s.
	Timeout time.Duration
}

const defaultTimeout = 10 * time.Second

func (cfg Config) withDefaults() Config {
	if cfg.BasePath == "" {
		cfg.BasePath = wire.DefaultBasePath
	}
	if cfg.Transport == nil {
		cfg.Transport = http.DefaultTransport
	}
	if cfg.Jar == nil {
		cfg.Jar, _ = cookiejar.New(nil) // never fails
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	return cfg
}

func (cfg Config) validate() error {
	switch {
	case !strings.HasPrefix(cfg.BasePath, "/") || strings.HasSuffix(cfg.BasePath, "/") || strings.ContainsAny(cfg.BasePath, "?#"):
		return fmt.Errorf("client: BasePath %q: want a path such as %q", cfg.BasePath, wire.DefaultBasePath)
	case cfg.Timeout < 0:
		return errors.New("client: Timeout is negative")
	}
	return nil
}

// parseOrigin reads BaseURL: scheme and host, without the scheme's own port.
func parseOrigin(baseURL string) (*url.URL, error) {
	u, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("client: BaseURL: %w", err)
	}
	bare := u.User == nil && u.RawQuery == "" && u.Fragment == "" && (u.Path == "" || u.Path == "/")
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !bare {
		return nil, errors.New("client: BaseURL: want an origin, http or https, such as https://app.example")
	}
	return &url.URL{Scheme: u.Scheme, Host: hostOf(u)}, nil
}

// hostOf returns host and port in one spelling per origin.
func hostOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":")
}

// sameOrigin reports whether u is of origin, as parseOrigin returned it.
func sameOrigin(origin, u *url.URL) bool {
	return strings.EqualFold(u.Scheme, origin.Scheme) && hostOf(u) == origin.Host
}
