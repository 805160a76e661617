package chrometest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// timeout is how long a test waits for a tab before it fails.
const timeout = time.Minute

// Open navigates to url and waits for the load event of its document, or of one that has replaced
// it. A navigation by the page itself at the same moment may abort this one. Then Open tries again.
func (tab *Tab) Open(url string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, timeout)
	defer cancel()
	for {
		r := call(tab, page.Navigate, page.NavigateParams{URL: url})
		if r.ErrorText == "net::ERR_ABORTED" && ctx.Err() == nil {
			continue
		}
		var err error
		if r.ErrorText != "" {
			err = errors.New(r.ErrorText)
		} else if r.LoaderID != "" { // otherwise the document stays the same
			err = tab.awaitLoad(ctx, func(_ int, d document) bool { return d.loader == r.LoaderID })
		}
		if err != nil {
			tab.t.Fatalf("chrometest: opening %s: %v", url, err)
		}
		return
	}
}

// Back goes back in the tab's history, as the button does. It does not wait, because a page from
// the back/forward cache has no load event. While the tab changes its document, the browser cannot
// go back, so Back tries again.
func (tab *Tab) Back() {
	tab.t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		err := tab.back()
		if err == nil {
			return
		}
		if !left(err) || time.Now().After(deadline) {
			tab.t.Fatalf("chrometest: going back: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (tab *Tab) back() error {
	ctx, cancel := context.WithTimeout(tab.ctx, timeout)
	defer cancel()
	history, err := chromedp.Call(ctx, page.GetNavigationHistory, cdp.Empty{})
	if err != nil {
		return err
	}
	if history.CurrentIndex == 0 {
		return errors.New("there is no page to go back to")
	}
	entry := history.Entries[history.CurrentIndex-1]
	_, err = chromedp.Call(ctx, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: entry.ID})
	return err
}

// Eval evaluates a JavaScript expression, waits for it if it is a promise, and
// stores its value in out unless that is nil.
func (tab *Tab) Eval(expression string, out any) {
	tab.t.Helper()
	value, err := tab.eval(expression)
	if err == nil && out != nil {
		err = json.Unmarshal(value, out)
	}
	if err != nil {
		tab.t.Fatalf("chrometest: %s: %v", expression, err)
	}
}

// Text evaluates an expression whose value is a string and that changes nothing. If the tab leaves
// its page meanwhile, Text evaluates it in the next one.
func (tab *Tab) Text(expression string) (text string) {
	tab.t.Helper()
	for deadline := time.Now().Add(timeout); ; {
		value, err := tab.eval(expression)
		if err == nil {
			err = json.Unmarshal(value, &text)
		}
		if err == nil {
			return text
		}
		if !left(err) || time.Now().After(deadline) {
			tab.t.Fatalf("chrometest: %s: %v", expression, err)
		}
	}
}

// Until waits until an expression is true in the tab's current document or a later one.
func (tab *Tab) Until(expression string) {
	tab.t.Helper()
	wait := `new Promise((resolve) => {
		const look = () => {
			let is = false;
			try { is = ` + expression + ` } catch {}
			is ? resolve(true) : setTimeout(look, 10);
		};
		look();
	})`
	deadline := time.Now().Add(timeout)
	for {
		_, err := tab.eval(wait)
		if err == nil {
			return
		}
		if !left(err) || time.Now().After(deadline) {
			tab.t.Fatalf("chrometest: waiting for %s: %v", expression, err)
		}
	}
}

// left reports whether a command failed because the tab left its page.
func left(err error) bool {
	for _, s := range []string{
		"navigated", "context was destroyed", "Cannot find context", "Promise was collected",
		"Not attached to an active page",
	} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

func (tab *Tab) eval(expression string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(tab.ctx, timeout)
	defer cancel()
	yes := true
	r, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{
		Expression: expression, AwaitPromise: &yes, ReturnByValue: &yes,
	})
	switch {
	case err != nil:
		return nil, err
	case r.ExceptionDetails != nil:
		return nil, errors.New(describe(r.ExceptionDetails))
	case len(r.Result.Value) == 0: // undefined
		return []byte("null"), nil
	}
	return r.Result.Value, nil
}

// Offline disconnects the tab from the network, or connects it again.
func (tab *Tab) Offline(off bool) {
	tab.t.Helper()
	call(tab, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Offline: off, DownloadThroughput: -1, UploadThroughput: -1}},
	})
	call(tab, network.OverrideNetworkState, network.OverrideNetworkStateParams{
		Offline: off, DownloadThroughput: -1, UploadThroughput: -1,
	})
}
