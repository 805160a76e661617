// Package chrometest drives a real Chromium in tests: browsers on profiles of
// their own, several people in one browser, several tabs of one person. What it
// starts ends with the test, by process id.
//
// A tab records what a page must not do, uncaught errors, unhandled rejections,
// console errors and breaches of the content security policy, and fails the test
// with it.
package chrometest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/lucia-go/lucia/internal/testenv"
)

// Browser is a running Chromium. Its methods may be called concurrently.
type Browser struct {
	ctx   context.Context
	close func()
}

// Start starts a browser on an empty profile. Without Chromium the test is
// skipped or fails, as testenv.Require says.
func Start(t testing.TB) *Browser {
	t.Helper()
	return StartOn(t, t.TempDir())
}

// StartOn starts a browser on the profile in dir, which no running browser uses.
func StartOn(t testing.TB, dir string) *Browser {
	t.Helper()
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(testenv.Require(t, "chromium")),
		chromedp.UserDataDir(dir),
		chromedp.Headless,
		chromedp.NoSandbox, // Chromium refuses to sandbox what root starts
		chromedp.NoFirstRun,
		chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), // containers have 64 MiB of it
		chromedp.Flag("password-store", "basic"),     // asks no keyring for the cookies' key
		chromedp.ModifyCmdFunc(ownGroup),
	)
	ctx, stop := chromedp.NewContext(alloc)
	b := &Browser{ctx: ctx, close: func() { stop(); stopAlloc() }}
	t.Cleanup(b.close)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chrometest: starting Chromium: %v", err)
	}
	return b
}

// Close ends the browser as a person does: what it has in memory is written to
// the profile first.
func (b *Browser) Close(t testing.TB) {
	t.Helper()
	if err := chromedp.Cancel(b.ctx); err != nil {
		t.Fatalf("chrometest: closing Chromium: %v", err)
	}
}

// Kill ends the browser at once (SIGKILL): what it has not written to the
// profile is lost. All its processes end together where the system has process
// groups, so that none can notice the end of another and save what it has.
func (b *Browser) Kill(t testing.TB) {
	t.Helper()
	if err := killGroup(chromedp.FromContext(b.ctx).Browser.Process()); err != nil {
		t.Fatalf("chrometest: killing Chromium: %v", err)
	}
	b.close()
}

// Person is somebody at the browser with cookies and storage of their own.
type Person struct{ ctx context.Context }

// Owner returns the person whose cookies the profile keeps.
func (b *Browser) Owner() *Person { return &Person{b.ctx} }

// Person returns somebody new, who is gone with the test.
func (b *Browser) Person(t testing.TB) *Person {
	t.Helper()
	ctx, leave := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(leave)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chrometest: %v", err)
	}
	return &Person{ctx}
}

// BlockCookies prepares the empty profile in dir for a browser that blocks all
// cookies. Chromium gives pages no storage either then.
func BlockCookies(t testing.TB, dir string) {
	t.Helper()
	const preferences = `{"profile":{"default_content_setting_values":{"cookies":2}}}`
	folder := filepath.Join(dir, "Default")
	err := os.MkdirAll(folder, 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "Preferences"), []byte(preferences), 0o600)
	}
	if err != nil {
		t.Fatalf("chrometest: blocking cookies: %v", err)
	}
}
