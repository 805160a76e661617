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

	// CookiePrefix is the CookiePrefix of the server's configuration. Default: none.
	CookiePrefix string

	// TokenStore keeps the session between runs of the program. Default: none. The program then
	// loses its session when it ends, and the session stays on the server until it expires or
	// [Client.SignOut] ends it.
	TokenStore TokenStore

	// Unattended is set for a program that no person uses, such as a job or a service. If the
	// server has an IdleTimeout, the session then ends unless a person is active in it elsewhere.
	// Default: false. A person uses the program, and each request through [Transport] counts as
	// their activity. Refreshes in the background do not count.
	Unattended bool

	// Transport sends all requests. Default: http.DefaultTransport.
	Transport http.RoundTripper

	// Jar keeps the app's own cookies. The library's cookies for the app are neither stored in it
	// nor read from it. Default: an empty jar.
	Jar http.CookieJar

	// Timeout limits each exchange with the library's routes and each wait for the TokenStore's
	// lock. It does not limit requests to the app. Default: 10 s.
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

// parseOrigin returns the scheme and host of baseURL, without the scheme's default port.
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

// hostOf returns the host and port of u in the one spelling that all URLs of an origin share.
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

// sameOrigin reports whether u belongs to origin, as parseOrigin returned it.
func sameOrigin(origin, u *url.URL) bool {
	return strings.EqualFold(u.Scheme, origin.Scheme) && hostOf(u) == origin.Host
}
