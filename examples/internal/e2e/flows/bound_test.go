package flows_test

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/chrometest"
)

// TestDeviceBound signs up in a browser that binds sessions to its device, on a phone and on a
// desktop, with and without scripts. The panel and the page of devices say that it is bound.
func TestDeviceBound(t *testing.T) {
	t.Parallel()
	var servers []*apptest.Server
	var trusted []string
	for _, app := range apptest.Apps {
		s := apptest.Start(t, app, "-tls", "-device-bound", "-access-ttl", "4s", "-settle", "1s", "-grace", "100ms")
		conn, err := tls.Dial("tcp", strings.TrimPrefix(s.URL, "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		trusted = append(trusted, chrometest.SPKI(conn.ConnectionState().PeerCertificates[0]))
		conn.Close()
		servers = append(servers, s)
	}
	browser := chrometest.StartBinding(t, t.TempDir(), strings.Join(trusted, ","))
	for _, s := range servers {
		for name, scripts := range map[string]bool{" with scripts": true, " without scripts": false} {
			t.Run(s.App+name, func(t *testing.T) {
				tab, url := quiet{browser.Person(t).Tab(t), t}, strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
				apptest.OnScreen(tab.Tab, s.App, scripts)
				tab.Scripting(scripts)
				tab.Open(url + "/signup")
				tab.send(".stack", [2]string{"username", apptest.NewName()}, [2]string{"password", apptest.Password})
				tab.shows(`location.pathname === "/profile"`)
				says := func(path, selector, text string) {
					t.Helper()
					apptest.Poll(t, func() (is bool) {
						tab.Open(url + path)
						tab.Eval(fmt.Sprintf(`/%s/.test(document.querySelector(%q)?.innerText)`, text, selector), &is)
						return is
					})
				}
				says("/profile", "[data-bound]", "^yes")
				says("/devices", "[data-current]", `device\s+yes`) // when the browser has used its key
			})
		}
	}
}
