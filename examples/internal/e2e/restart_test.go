package e2e_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// With -db a person who signed in before the app ended, in whatever way, is still
// signed in after it has started again, has their bio, and stays signed out after signing out.
func TestFileKeepsUsersAndSessions(t *testing.T) {
	onEveryApp(t, func(t *testing.T, app string) {
		file := filepath.Join(t.TempDir(), "app.db")
		s := start(t, app, "-db", file)
		name := newName()
		in := request(t, s, "POST", "/signup", credentials(name, password)).want(t, http.StatusSeeOther)
		tab := signIn(t, s, name)
		wantPage(t, tab.Submit(url.Values{"bio": {"kept"}}), http.StatusOK, "/profile")
		for i, end := range []func(){s.kill, func() { s.interrupt() }} {
			end()
			s.restart()
			request(t, s, "GET", "/profile", nil, cookies(in)).want(t, http.StatusOK)
			refreshed := request(t, s, "GET", "/profile", nil, cookies(in), withoutAccess).want(t, http.StatusOK)
			if len(refreshed.header["Set-Cookie"]) == 0 {
				t.Errorf("restart %d: the session is not refreshed", i)
			}
			wantPage(t, tab.Get("/profile"), http.StatusOK, "/profile")
			if got := sessionOf(t, tab.Page()).User.Bio; got != "kept" {
				t.Errorf("restart %d: the bio is %q", i, got)
			}
			request(t, s, "POST", "/signup", credentials(name, password)).want(t, http.StatusConflict)
		}
		if err := tab.SignOut(); err != nil {
			t.Fatal(err)
		}
		s.restart()
		wantPage(t, tab.Get("/profile"), http.StatusOK, "/login")
		for _, kept := range []string{file, file + ".secret"} {
			info, err := os.Stat(kept)
			if err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: %v, %v, want a file that others cannot read", kept, info.Mode(), err)
			}
		}
	})
}

// Two servers on one file are one app, and agree on the secret that they make up.
func TestTwoServersOnOneFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "app.db")
	a, b := start(t, "nethttp", "-db", file), start(t, "gin", "-db", file)
	in := request(t, a, "POST", "/signup", credentials(newName(), password)).want(t, http.StatusSeeOther)
	request(t, b, "GET", "/profile", nil, cookies(in)).want(t, http.StatusOK)
	request(t, b, "GET", "/profile", nil, cookies(in), withoutAccess).want(t, http.StatusOK)
}
