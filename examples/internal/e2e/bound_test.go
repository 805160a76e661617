package e2e_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/luciatest"
)

// TestDeviceBound signs up with a browser that binds sessions, and copies its cookies.
func TestDeviceBound(t *testing.T) {
	t.Parallel()
	for _, app := range apptest.Apps {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t, app, "-tls", "-device-bound", "-access-ttl", "4s", "-settle", "1s", "-grace", "100ms")
			trusting := http.DefaultTransport.(*http.Transport).Clone()
			trusting.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the certificate is made by the process
			b := luciatest.NewBrowserAt(t, s.URL, trusting).BindSessions()
			tab := b.Open("/signup")
			apptest.WantPage(t, tab.Submit(apptest.Credentials(apptest.NewName(), apptest.Password)), http.StatusOK, "/profile")
			bound := "data-bound>yes"
			apptest.Poll(t, func() bool { return strings.Contains(tab.Get("/profile").Body, bound) })
			var thief *luciatest.Tab
			apptest.Poll(t, func() bool { // on a busy machine the copied access token may expire first
				if err := tab.Refresh(); err != nil {
					t.Fatal(err)
				}
				thief = tab.Steal()
				return thief.Get("/profile").URL.Path == "/profile"
			})
			for range 2 {
				time.Sleep(5 * time.Second)
				apptest.WantPage(t, thief.Get("/profile"), http.StatusOK, "/login")
				apptest.WantPage(t, tab.Get("/profile"), http.StatusOK, "/profile")
				if !strings.Contains(tab.Page().Body, bound) {
					t.Errorf("the owner's page does not say %q", bound)
				}
			}
		})
	}
}
