package demo_test

import (
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/examples/internal/demo"
)

// newSite returns a site with these flags.
func newSite(t *testing.T, args ...string) *demo.Site {
	t.Helper()
	o, err := demo.ParseFlags("test", args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s, err := demo.NewSite("test", o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// onEveryStore runs a test on a site in memory, on one in Redis and on one in SQLite.
func onEveryStore(t *testing.T, test func(t *testing.T, s *demo.Site)) {
	t.Parallel()
	t.Run("in memory", func(t *testing.T) { test(t, newSite(t, "-timeout", "1m")) })
	t.Run("on Redis", func(t *testing.T) {
		test(t, newSite(t, "-timeout", "1m", "-redis", "redis://"+miniredis.RunT(t).Addr()))
	})
	t.Run("in SQLite", func(t *testing.T) {
		test(t, newSite(t, "-timeout", "1m", "-db", filepath.Join(t.TempDir(), "app ?#%.db")))
	})
}

func form(t *testing.T, name, password string) *http.Request {
	body := url.Values{"username": {name}, "password": {password}}.Encode()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestAccounts(t *testing.T) {
	onEveryStore(t, func(t *testing.T, s *demo.Site) {
		ctx := t.Context()
		ada, err := s.SignUp(form(t, " Ada  Lovelace ", "secret"))
		if err != nil || ada.Username != "Ada Lovelace" {
			t.Fatalf("SignUp = %+v, %v", ada, err)
		}
		if _, err := s.SignUp(form(t, "ada lovelace", "other")); !errors.Is(err, demo.ErrTaken) {
			t.Errorf("the same name again: %v", err)
		}
		if got, err := s.CheckPassword(form(t, "ADA LOVELACE", "secret")); err != nil || got.ID != ada.ID {
			t.Errorf("CheckPassword = %+v, %v", got, err)
		}
		for name, password := range map[string]string{"Ada Lovelace": "Secret", "unknown": "secret", "\xff": "secret", "ada lovelace": ""} {
			if _, err := s.CheckPassword(form(t, name, password)); !errors.Is(err, demo.ErrWrongPassword) {
				t.Errorf("CheckPassword(%q, %q): %v", name, password, err)
			}
		}
		if err := s.SaveBio(ctx, ada.ID, "Counts."); err != nil {
			t.Fatal(err)
		}
		got, err := s.Config.LoadUser(ctx, ada.ID)
		if want := (demo.Profile{Username: "Ada Lovelace", Bio: "Counts."}); err != nil || got != want {
			t.Errorf("LoadUser = %+v, %v, want %+v", got, err, want)
		}
		for _, id := range []string{"unknown", ""} {
			if _, err := s.Config.LoadUser(ctx, id); !errors.Is(err, lucia.ErrUserNotFound) {
				t.Errorf("LoadUser(%q): %v", id, err)
			}
			if err := s.SaveBio(ctx, id, "x"); !errors.Is(err, lucia.ErrUserNotFound) {
				t.Errorf("SaveBio(%q): %v", id, err)
			}
		}
	})
}

// If many sign up with one name at the same time, one of them gets it.
func TestNameIsTakenOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, s *demo.Site) {
		var got, taken atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				_, err := s.SignUp(form(t, "ada", "secret"))
				for errors.Is(err, demo.ErrBusy) { // on a slow machine the page says to try again
					_, err = s.SignUp(form(t, "ada", "secret"))
				}
				switch {
				case err == nil:
					got.Add(1)
				case errors.Is(err, demo.ErrTaken):
					taken.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got.Load() != 1 || taken.Load() != 15 {
			t.Errorf("%d got the name, %d were refused because it is taken", got.Load(), taken.Load())
		}
	})
}

func TestNotes(t *testing.T) {
	onEveryStore(t, func(t *testing.T, s *demo.Site) {
		ctx, notes := t.Context(), s.Notes()
		put := func(n demo.Note) demo.Note {
			t.Helper()
			n, err := notes.Put(ctx, "ada", n)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		first, second := put(demo.Note{Text: " one\t "}), put(demo.Note{Text: "two"})
		first = put(demo.Note{ID: first.ID, Text: "one, changed"})
		list, err := notes.List(ctx, "ada")
		if diff := cmp.Diff([]demo.Note{first, second}, list); err != nil || diff != "" {
			t.Errorf("List: %v (-want +got):\n%s", err, diff)
		}
		if err := notes.Delete(ctx, "bob", first.ID); !errors.Is(err, demo.ErrNotFound) {
			t.Errorf("deleting another user's note: %v", err)
		}
		if _, err := notes.Put(ctx, "bob", demo.Note{ID: first.ID, Text: "mine"}); !errors.Is(err, demo.ErrNotFound) {
			t.Errorf("changing another user's note: %v", err)
		}
		for range 2 {
			err = errors.Join(err, notes.Delete(ctx, "ada", first.ID))
		}
		if !errors.Is(err, demo.ErrNotFound) {
			t.Errorf("deleting a note twice: %v", err)
		}
		for _, text := range []string{"", " ", strings.Repeat("x", demo.MaxNoteText+1), "\xff"} {
			if _, err := notes.Put(ctx, "ada", demo.Note{Text: text}); err == nil {
				t.Errorf("saved the note %q", text)
			}
		}
		for range demo.MaxNotes - 1 {
			put(demo.Note{Text: "more"})
		}
		if _, err := notes.Put(ctx, "ada", demo.Note{Text: "too many"}); err == nil {
			t.Error("saved more notes than the limit")
		}
		put(demo.Note{ID: second.ID, Text: "two, changed"})
	})
}

// Without Redis every call fails with 503 within its timeout.
func TestOutage(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	s := newSite(t, "-redis", "redis://"+server.Addr())
	server.Close()
	_, errUp := s.SignUp(form(t, "ada", "secret"))
	_, errIn := s.CheckPassword(form(t, "ada", "secret"))
	_, errLoad := s.Config.LoadUser(t.Context(), "ada")
	_, errNotes := s.Notes().List(t.Context(), "ada")
	for what, err := range map[string]error{"sign-up": errUp, "sign-in": errIn, "LoadUser": errLoad, "notes": errNotes} {
		if status, _ := demo.Explain(err); status != http.StatusServiceUnavailable || errors.Is(err, lucia.ErrUserNotFound) {
			t.Errorf("%s without Redis: %v, status %d", what, err, status)
		}
	}
}

// IsOutage holds only for people, and only if the session store is unavailable.
func TestPageOfAnOutageIsForPeople(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		person bool
		code   lucia.Code
		want   bool
	}{
		{true, lucia.CodeDatabaseFetchFailed, true},
		{true, lucia.CodeUnauthorized, false},
		{false, lucia.CodeDatabaseFetchFailed, false},
	} {
		if got := demo.IsOutage(&lucia.Denial{Person: c.person, Code: c.code}); got != c.want {
			t.Errorf("%v, %v: %v, want %v", c.person, c.code, got, c.want)
		}
	}
}

// Many concurrent sign-ins wait for a slot, and at most as long as their requests.
func TestPasswordsAreHashedFewAtATime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			_, err := s.CheckPassword(form(t, "unknown", "x"))
			if status, _ := demo.Explain(err); status != http.StatusUnauthorized && status != http.StatusServiceUnavailable {
				t.Errorf("status %d: %v", status, err)
			}
		})
	}
	wg.Wait()
}

// The largest profile fits into the cookies of a sign-in.
func TestLargestProfileFits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	auth, err := lucia.New(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []string{"<", "é", "語", "🪔"} {
		u, err := s.SignUp(form(t, strings.Repeat(r, demo.MaxUsername), "secret"))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SaveBio(t.Context(), u.ID, strings.Repeat(r, demo.MaxBio)); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if _, err := auth.SignIn(w, form(t, "", ""), u.ID); err != nil {
			t.Errorf("a profile of %s: %v", r, err)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	o, err := demo.ParseFlags("test", nil, io.Discard)
	want := demo.Options{
		Addr: "127.0.0.1:8080", AccessTTL: 15 * time.Minute, RefreshTTL: 8760 * time.Hour,
		Grace: 30 * time.Second, Settle: lucia.DefaultSettle, RandomSecret: true,
		Recent: 10 * time.Minute, Feed: true,
	}
	secret := o.Secret
	o.Secret = nil
	if diff := cmp.Diff(want, o); err != nil || diff != "" || len(secret) != lucia.MinSecretBytes {
		t.Errorf("no flags: %v, a secret of %d bytes (-want +got):\n%s", err, len(secret), diff)
	}
	if again, _ := demo.ParseFlags("test", nil, io.Discard); string(again.Secret) == string(secret) {
		t.Error("two processes have the same random secret")
	}
	if _, err := demo.ParseFlags("test", []string{"-help"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-help: %v", err)
	}
	tests := []struct {
		redis string
		want  []string
	}{
		{"redis://h:1", []string{"h:1"}},
		{"redis://a:1,redis://b:2", []string{"a:1", "b:2"}},
		{"sentinel://a:1,b:2/main", []string{"a:1", "b:2"}},
	}
	for _, tt := range tests {
		o, err := demo.ParseFlags("test", []string{"-redis", tt.redis}, io.Discard)
		if err != nil || !cmp.Equal(o.Redis.Addrs, tt.want) {
			t.Errorf("-redis %s: %v, %v", tt.redis, o.Redis, err)
		}
	}
}
