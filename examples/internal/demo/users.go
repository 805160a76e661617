package demo

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/lucia-go/lucia"
)

// User is a person with an account.
type User struct {
	ID       string
	Username string
	Bio      string

	hash string // of the password
}

// Users keeps accounts. It is safe for concurrent use. The error is [lucia.ErrUserNotFound] for
// an unknown user. Any other error except [ErrTaken] means that the accounts are unavailable.
type Users interface {
	// Add adds a user. It returns ErrTaken if another user has the name, regardless of case.
	Add(ctx context.Context, u User) error
	ByName(ctx context.Context, name string) (User, error)
	ByID(ctx context.Context, id string) (User, error)
	SetBio(ctx context.Context, id, bio string) error
}

// newUser gives a new user a random id that is never used again.
func newUser(name, hash string) User {
	return User{ID: strings.ToLower(rand.Text()), Username: name, hash: hash}
}

// The greatest numbers of characters. The bio is in the access token and so in a cookie; a test
// fills both with the longest encodings.
const (
	MaxUsername = 32
	MaxBio      = 160
)

// cleanName returns a username as it is saved. It may contain letters of every script and spaces
// between them, but no invisible characters.
func cleanName(name string) (string, error) {
	name = strings.Join(strings.Fields(name), " ")
	visible := utf8.ValidString(name) && strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
	if n := utf8.RuneCountInString(name); !visible || n == 0 || n > MaxUsername {
		return "", errName
	}
	return name, nil
}

// cleanBio returns a bio as it is saved.
func cleanBio(bio string) (string, error) {
	bio = strings.TrimSpace(strings.ReplaceAll(bio, "\r\n", "\n"))
	visible := func(r rune) bool { return unicode.IsPrint(r) || r == '\n' }
	if !utf8.ValidString(bio) || strings.IndexFunc(bio, func(r rune) bool { return !visible(r) }) >= 0 {
		return "", errBio
	}
	if utf8.RuneCountInString(bio) > MaxBio {
		return "", errBio
	}
	return bio, nil
}

// nameKey returns the form in which names are compared.
func nameKey(name string) string { return strings.ToLower(name) }

// memoryUsers keeps accounts for as long as the process runs.
type memoryUsers struct {
	mu   sync.RWMutex
	byID map[string]User
	ids  map[string]string // by nameKey
}

func newMemoryUsers() *memoryUsers {
	return &memoryUsers{byID: map[string]User{}, ids: map[string]string{}}
}

func (m *memoryUsers) Add(_ context.Context, u User) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := nameKey(u.Username)
	if _, taken := m.ids[key]; taken {
		return ErrTaken
	}
	m.ids[key], m.byID[u.ID] = u.ID, u
	return nil
}

func (m *memoryUsers) ByName(ctx context.Context, name string) (User, error) {
	m.mu.RLock()
	id := m.ids[nameKey(name)]
	m.mu.RUnlock()
	return m.ByID(ctx, id)
}

func (m *memoryUsers) ByID(_ context.Context, id string) (User, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if u, ok := m.byID[id]; ok {
		return u, nil
	}
	return User{}, lucia.ErrUserNotFound
}

func (m *memoryUsers) SetBio(_ context.Context, id, bio string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.byID[id]
	if !ok {
		return lucia.ErrUserNotFound
	}
	u.Bio = bio
	m.byID[id] = u
	return nil
}
