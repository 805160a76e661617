package chrometest

import (
	"context"
	"encoding/json"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Screen makes the tab look as on a screen of that size in CSS pixels, in the light or the dark
// colour scheme. A screen narrower than 600 pixels is a phone.
func (tab *Tab) Screen(width, height int, dark bool) {
	tab.t.Helper()
	call(tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: int64(width), Height: int64(height), DeviceScaleFactor: 1, Mobile: width < 600,
	})
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// Screenshot returns the whole page as a PNG.
func (tab *Tab) Screenshot() []byte {
	tab.t.Helper()
	return run(tab, "taking a screenshot", chromedp.FullScreenshot(100))
}

// Scripting turns the scripts of pages off or on. While they are off, Eval still
// works, and Until and promises that need a timer do not.
func (tab *Tab) Scripting(on bool) {
	tab.t.Helper()
	call(tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

// Type replaces the text of the field that a CSS selector names.
func (tab *Tab) Type(selector, text string) {
	tab.t.Helper()
	quoted, _ := json.Marshal(selector)
	tab.Eval("document.querySelector("+string(quoted)+").select()", nil)
	run(tab, "typing into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Click clicks the element that a CSS selector names. It does not wait for the effect.
func (tab *Tab) Click(selector string) {
	tab.t.Helper()
	run(tab, "clicking "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Submit clicks the element that a CSS selector names and waits for the load event of the next
// document. It needs no scripts.
func (tab *Tab) Submit(selector string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, timeout)
	defer cancel()
	tab.mu.Lock()
	n := len(tab.documents)
	tab.mu.Unlock()
	tab.Click(selector)
	if err := tab.awaitLoad(ctx, func(i int, _ document) bool { return i >= n }); err != nil {
		tab.t.Fatalf("chrometest: submitting %s: %v", selector, err)
	}
}

// run runs an action that must succeed.
func run[T any](tab *Tab, what string, action chromedp.Action[T]) T {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, timeout)
	defer cancel()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		tab.t.Fatalf("chrometest: %s: %v", what, err)
	}
	return result
}
