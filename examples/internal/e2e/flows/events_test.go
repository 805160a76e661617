package flows_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
	"github.com/lucia-go/lucia/internal/chrometest"
)

// TestStreamOfEvents follows the stream of events on a page, on a phone and on a desktop. It ends
// when the session is ended on the page of devices of another server.
func TestStreamOfEvents(t *testing.T) {
	t.Parallel()
	browser := chrometest.Start(t)
	shared := []string{"-db", filepath.Join(t.TempDir(), "app.db"), "-secret", apptest.Secret}
	var servers []*apptest.Server
	for _, app := range apptest.Apps {
		servers = append(servers, apptest.Start(t, app, shared...))
	}
	for i, s := range servers {
		t.Run(s.App, func(t *testing.T) {
			tab, name := browser.Person(t).Tab(t), apptest.NewName()
			apptest.OnScreen(tab, s.App, false)
			apptest.SignUpIn(tab, s, name)
			tab.Eval(`{ window.sameDocument = true; window.shown = () => document.querySelector("[data-event]").textContent }`, nil)
			tab.Until(`shown() === "Not connected."`)
			const summary, isTime = "[data-events] summary", `/^\d\d:\d\d:\d\d$/.test(shown())`
			tab.Click(summary)
			tab.Until(isTime + ` && (window.first = shown())`)
			tab.Until(isTime + ` && shown() !== first`)
			tab.Click(summary)
			tab.Until(`shown() === "Not connected."`)
			tab.Click(summary)
			tab.Until(isTime)

			elsewhere := apptest.SignIn(t, servers[(i+1)%len(servers)], name)
			elsewhere.Get("/devices")
			apptest.WantPage(t, elsewhere.Submit(url.Values{"others": {"1"}}), http.StatusOK, "/devices")
			tab.Until(`sameDocument && shown() === "The session has ended."`)
			tab.Until(`sameDocument && document.querySelector("#gone").checkVisibility()`)
		})
	}
}
