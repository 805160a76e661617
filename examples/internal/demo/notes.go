package demo

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"
)

// Note is one note of a user.
type Note struct{ ID, Text string }

// Notes keeps the notes of users. It is safe for concurrent use. The error is [ErrNotFound] if a
// note does not exist or belongs to another user.
type Notes interface {
	// List returns the user's notes, oldest first.
	List(ctx context.Context, userID string) ([]Note, error)
	// Put saves a note, as a new one if its ID is empty, and returns it as saved.
	Put(ctx context.Context, userID string, n Note) (Note, error)
	Delete(ctx context.Context, userID, id string) error
}

// The greatest number of a user's notes, and of characters in a note.
const (
	MaxNotes    = 100
	MaxNoteText = 200
)

var (
	errNote  = &Refusal{http.StatusBadRequest, "A note has 1 to 200 characters."}
	errNotes = &Refusal{http.StatusConflict, "You have as many notes as this site keeps. Please delete one."}
)

// Notes returns the site's notes.
func (s *Site) Notes() Notes { return s.notes }

// cleanNote returns the note as it is saved. The ids of new notes sort by age.
func cleanNote(n Note) (note Note, isNew bool, err error) {
	n.Text = strings.Join(strings.Fields(n.Text), " ")
	if size := utf8.RuneCountInString(n.Text); size == 0 || size > MaxNoteText || !utf8.ValidString(n.Text) {
		return Note{}, false, errNote
	}
	if isNew = n.ID == ""; isNew {
		const base36, random = 36, 8
		n.ID = strconv.FormatInt(time.Now().UnixMicro(), base36) + strings.ToLower(rand.Text()[:random])
	}
	return n, isNew, nil
}

// sortNotes returns the notes of a map from ids to texts, oldest first.
func sortNotes(texts map[string]string) []Note {
	list := make([]Note, 0, len(texts))
	for id, text := range texts {
		list = append(list, Note{id, text})
	}
	slices.SortFunc(list, func(a, b Note) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// memoryNotes keeps notes for as long as the process runs.
type memoryNotes struct {
	mu     sync.Mutex
	byUser map[string]map[string]string
}

func (m *memoryNotes) List(_ context.Context, userID string) ([]Note, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return sortNotes(m.byUser[userID]), nil
}

func (m *memoryNotes) Put(_ context.Context, userID string, n Note) (Note, error) {
	n, isNew, err := cleanNote(n)
	if err != nil {
		return Note{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	own := m.byUser[userID]
	if _, there := own[n.ID]; !there && !isNew {
		return Note{}, ErrNotFound
	}
	if isNew && len(own) >= MaxNotes {
		return Note{}, errNotes
	}
	if own == nil {
		own = map[string]string{}
		m.byUser[userID] = own
	}
	own[n.ID] = n.Text
	return n, nil
}

func (m *memoryNotes) Delete(_ context.Context, userID, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.byUser[userID][id]; !there {
		return ErrNotFound
	}
	delete(m.byUser[userID], id)
	return nil
}

// redisNotes keeps notes in Redis, in one hash per user.
type redisNotes struct {
	client  redis.UniversalClient
	timeout time.Duration // of each call
}

func notesKey(userID string) string { return keyPrefix + "notes:" + userID }

func (r *redisNotes) List(ctx context.Context, userID string) ([]Note, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	texts, err := r.client.HGetAll(ctx, notesKey(userID)).Result()
	return sortNotes(texts), unavailable(err)
}

// putNote changes a field that exists or adds one if there is room. It returns 1 if done, 0 if
// there is no such note and -1 if there is no room.
var putNote = redis.NewScript(`
local there = redis.call('HEXISTS', KEYS[1], ARGV[1])
if ARGV[3] == '0' and there == 0 then return 0 end
if there == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return -1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1`)

func (r *redisNotes) Put(ctx context.Context, userID string, n Note) (Note, error) {
	n, isNew, err := cleanNote(n)
	if err != nil {
		return Note{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	mayAdd := 0
	if isNew {
		mayAdd = 1
	}
	done, err := putNote.Run(ctx, r.client, []string{notesKey(userID)}, n.ID, n.Text, mayAdd, MaxNotes).Int()
	switch {
	case err != nil:
		return Note{}, unavailable(err)
	case done == 0:
		return Note{}, ErrNotFound
	case done < 0:
		return Note{}, errNotes
	}
	return n, nil
}

func (r *redisNotes) Delete(ctx context.Context, userID, id string) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	n, err := r.client.HDel(ctx, notesKey(userID), id).Result()
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return unavailable(err)
}
