package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/memstore"
)

func validConfig() engine.Config[profile] {
	return engine.Config[profile]{
		Secret:   testSecret,
		Store:    memstore.New(),
		LoadUser: func(context.Context, string) (profile, error) { return profile{}, nil },
	}
}

func TestNewRefusesEachMistakeWithItsOwnMessage(t *testing.T) {
	t.Parallel()
	type config = engine.Config[profile]
	seen := map[string]string{}
	for _, c := range []struct {
		name, want string
		change     func(*config)
	}{
		{"no secret", "Secret has 0 bytes", func(c *config) { c.Secret = nil }},
		{"short secret", "Secret has 31 bytes", func(c *config) { c.Secret = bytes.Repeat([]byte("s"), 31) }},
		{"short previous secret", "PreviousSecrets[1] has 3 bytes", func(c *config) { c.PreviousSecrets = [][]byte{testSecret, []byte("old")} }},
		{"no store", "Store is nil", func(c *config) { c.Store = nil }},
		{"no LoadUser", "LoadUser is nil", func(c *config) { c.LoadUser = nil }},
		{"AccessTTL below a second", "AccessTTL is 1ms", func(c *config) { c.AccessTTL = time.Millisecond }},
		{"AccessTTL not whole", "AccessTTL is 1.5s", func(c *config) { c.AccessTTL = 1500 * time.Millisecond }},
		{"AccessTTL negative", "AccessTTL is -1m0s", func(c *config) { c.AccessTTL = -time.Minute }},
		{"RefreshTTL below AccessTTL", "RefreshTTL 1m0s is shorter than AccessTTL 15m0s", func(c *config) { c.RefreshTTL = time.Minute }},
		{"RefreshTTL shorter than use", "would end sessions in use, want at least 32m30s", func(c *config) { c.RefreshTTL = 32 * time.Minute }},
		{"Lifetime below AccessTTL", "Lifetime 1m0s is shorter than AccessTTL 15m0s", func(c *config) { c.Lifetime = time.Minute }},
		{"Lifetime below RefreshTTL", "Lifetime 1h0m0s is shorter than RefreshTTL 2h0m0s", func(c *config) { c.Lifetime, c.RefreshTTL = time.Hour, 2*time.Hour }},
		{"Lifetime beyond browsers", "400 days at most", func(c *config) { c.Lifetime = 401 * 24 * time.Hour }},
		{"Grace negative", "Grace is negative", func(c *config) { c.Grace = -1 }},
		{"Timeout negative", "Timeout is negative", func(c *config) { c.Timeout = -1 }},
		{"MaxSessions negative", "MaxSessions is negative", func(c *config) { c.MaxSessions = -1 }},
		{"MaxBytes negative", "MaxBytes is negative", func(c *config) { c.MaxBytes = -1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := validConfig()
			c.change(&config)
			m, err := engine.New(config)
			if m != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("New = %v, %v, want an error with %q", m, err, c.want)
			}
			if other := seen[err.Error()]; other != "" {
				t.Errorf("same message as %s: %v", other, err)
			}
			seen[err.Error()] = c.name
		})
	}
}

func TestNewAcceptsTheExtremes(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*engine.Config[profile]){
		"defaults": func(*engine.Config[profile]) {},
		"shortest lives": func(c *engine.Config[profile]) {
			c.AccessTTL, c.RefreshTTL, c.Lifetime = time.Second, time.Second, time.Second
		},
		"only a Lifetime":        func(c *engine.Config[profile]) { c.Lifetime = 12 * time.Hour },
		"shortest RefreshTTL":    func(c *engine.Config[profile]) { c.RefreshTTL = 32*time.Minute + 30*time.Second },
		"no settle":              func(c *engine.Config[profile]) { c.Settle = -1 },
		"no cache":               func(c *engine.Config[profile]) { c.Cache = -1 },
		"same secret again":      func(c *engine.Config[profile]) { c.PreviousSecrets = [][]byte{testSecret} },
		"longest life":           func(c *engine.Config[profile]) { c.Lifetime, c.RefreshTTL = 400*24*time.Hour, 400*24*time.Hour },
		"a secret of a kibibyte": func(c *engine.Config[profile]) { c.Secret = bytes.Repeat([]byte("long"), 256) },
	} {
		t.Run(name, func(t *testing.T) {
			config := validConfig()
			change(&config)
			m, err := engine.New(config)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.SignIn(t.Context(), "u"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPrintingAnEngineDoesNotShowItsSecrets(t *testing.T) {
	t.Parallel()
	config := validConfig()
	config.Secret = []byte("the secret that must not be printed")
	config.PreviousSecrets = [][]byte{[]byte("the other secret of earlier times")}
	m, err := engine.New(config)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v", m, m, m)
	for _, secret := range [][]byte{config.Secret, config.PreviousSecrets[0]} {
		for _, form := range []string{string(secret), fmt.Sprintf("%x", secret), strings.Trim(fmt.Sprint(secret), "[]")} {
			if strings.Contains(printed, form) {
				t.Errorf("a secret is printed as %q", form)
			}
		}
	}
}
