package e2e_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
)

// With -db a person who signed in before the app ended is still signed in after a restart, with the
// same bio, however the app ended. A person who signed out stays signed out.
func TestFileKeepsUsersAndSessions(t *testing.T) {
	apptest.OnEveryApp(t, func(t *testing.T, app string) {
		file := filepath.Join(t.TempDir(), "app.db")
		s := apptest.Start(t, app, "-db", file)
		name := apptest.NewName()
		in := apptest.Request(t, s, "POST", "/signup", apptest.Credentials(name, apptest.Password)).Want(t, http.StatusSeeOther)
		tab := apptest.SignIn(t, s, name)
		apptest.WantPage(t, tab.Submit(url.Values{"bio": {"kept"}}), http.StatusOK, "/profile")
		for i, end := range []func(){s.Kill, func() { s.Interrupt() }} {
			end()
			s.Restart()
			apptest.Request(t, s, "GET", "/profile", nil, apptest.Cookies(in)).Want(t, http.StatusOK)
			refreshed := apptest.Request(t, s, "GET", "/profile", nil, apptest.Cookies(in), apptest.WithoutAccess).Want(t, http.StatusOK)
			if len(refreshed.Header["Set-Cookie"]) == 0 {
				t.Errorf("restart %d: the session is not refreshed", i)
			}
			apptest.WantPage(t, tab.Get("/profile"), http.StatusOK, "/profile")
			if got := apptest.SessionOf(t, tab.Page()).User.Bio; got != "kept" {
				t.Errorf("restart %d: the bio is %q", i, got)
			}
			apptest.Request(t, s, "POST", "/signup", apptest.Credentials(name, apptest.Password)).Want(t, http.StatusConflict)
		}
		if err := tab.SignOut(); err != nil {
			t.Fatal(err)
		}
		s.Restart()
		apptest.WantPage(t, tab.Get("/profile"), http.StatusOK, "/login")
		for _, kept := range []string{file, file + ".secret"} {
			info, err := os.Stat(kept)
			if err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: %v, %v, want a file that others cannot read", kept, info.Mode(), err)
			}
		}
	})
}

// Two servers on one file are one app and use the same random secret.
func TestTwoServersOnOneFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "app.db")
	a, b := apptest.Start(t, "nethttp", "-db", file), apptest.Start(t, "gin", "-db", file)
	in := apptest.Request(t, a, "POST", "/signup", apptest.Credentials(apptest.NewName(), apptest.Password)).Want(t, http.StatusSeeOther)
	apptest.Request(t, b, "GET", "/profile", nil, apptest.Cookies(in)).Want(t, http.StatusOK)
	apptest.Request(t, b, "GET", "/profile", nil, apptest.Cookies(in), apptest.WithoutAccess).Want(t, http.StatusOK)
}
