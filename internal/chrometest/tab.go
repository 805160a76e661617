package chrometest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

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

	mu        sync.Mutex
	faults    []string
	documents []document
}

// document is a document that the tab has shown.
type document struct {
	loader cdp.LoaderID
	loaded bool // it has had its load event
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

// watch records the documents of a tab and the faults of its pages. It ignores the browser's
// reports of failed requests, which the test checks if they matter.
func (tab *Tab) watch(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	var fault string
	switch e := event.(type) {
	case *page.EventFrameNavigated:
		if e.Frame.ParentID == "" {
			tab.documents = append(tab.documents, document{loader: e.Frame.LoaderID})
		}
	case *page.EventLifecycleEvent:
		for i := range tab.documents {
			if e.Name == "load" && tab.documents[i].loader == e.LoaderID {
				tab.documents[i].loaded = true
			}
		}
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
		tab.faults = append(tab.faults, fault)
	}
}

// awaitLoad waits for the load event of the first document for which first is true, or of a later
// one.
func (tab *Tab) awaitLoad(ctx context.Context, first func(i int, d document) bool) error {
	for {
		if tab.loaded(first) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (tab *Tab) loaded(first func(i int, d document) bool) bool {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	since := false
	for i, d := range tab.documents {
		since = since || first(i, d)
		if since && d.loaded {
			return true
		}
	}
	return false
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
