package chrometest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Tab is a tab of a person's browser. Only the test's goroutine may call its methods.
type Tab struct {
	t     testing.TB
	ctx   context.Context
	close func()

	mu     sync.Mutex
	faults []string
}

// Tab opens an empty tab in a window of its own. The scripts run first in every document of it.
func (p *Person) Tab(t testing.TB, scripts ...string) *Tab {
	t.Helper()
	tab := &Tab{t: t}
	tab.ctx, tab.close = chromedp.NewContext(p.ctx, chromedp.WithListener(tab.watch))
	t.Cleanup(tab.Close)
	if err := chromedp.Do(tab.ctx); err != nil {
		t.Fatalf("chrometest: opening a tab: %v", err)
	}
	for _, script := range scripts {
		call(tab, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	}
	return tab
}

// watch records the faults of a page. It ignores the browser's reports of failed requests, which
// the test checks if they matter.
func (tab *Tab) watch(event any) {
	var fault string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		fault = "uncaught: " + describe(e.ExceptionDetails)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "assert" {
			args, _ := json.Marshal(e.Args)
			fault = "console: " + string(args)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" && e.Entry.Source != "network" {
			fault = fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text)
		}
	}
	if fault != "" {
		tab.mu.Lock()
		defer tab.mu.Unlock()
		tab.faults = append(tab.faults, fault)
	}
}

func describe(e *runtime.ExceptionDetails) string {
	if e.Exception != nil {
		return e.Text + " " + e.Exception.Description
	}
	return e.Text
}

// Faults returns the faults of the tab's pages since the last call. Faults that the test does not
// collect in this way fail it.
func (tab *Tab) Faults() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	faults := tab.faults
	tab.faults = nil
	return faults
}

// Close closes the tab. It may be called again.
func (tab *Tab) Close() {
	tab.t.Helper()
	_, _ = tab.eval("0") // its answer comes after the reports of earlier faults
	tab.close()
	for _, fault := range tab.Faults() {
		tab.t.Errorf("the page has a fault: %s", fault)
	}
}

// call runs a command of the protocol that must succeed.
func call[P, R any](tab *Tab, command cdp.Command[P, R], params P) R {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, timeout)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		tab.t.Fatalf("chrometest: %s: %v", command.Method, err)
	}
	return result
}
