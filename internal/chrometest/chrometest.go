// Package chrometest drives a real Chromium in tests. A test may have browsers with separate
// profiles, several people in one browser, and several tabs of one person. The processes end with
// the test, by process id.
//
// A tab records faults of its pages (uncaught errors, unhandled rejections, console errors and
// violations of the content security policy) and fails the test with them.
package chrometest

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
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

// Start starts a browser with an empty profile. If Chromium is missing, the test is skipped or
// fails, as testenv.Require decides.
func Start(t testing.TB) *Browser {
	t.Helper()
	return StartOn(t, t.TempDir())
}

// StartOn starts a browser on the profile in dir, which no running browser uses.
func StartOn(t testing.TB, dir string) *Browser {
	t.Helper()
	return start(t, dir)
}

// StartBinding starts a browser on the profile in dir that binds sessions to a key (Device Bound
// Session Credentials). The key is in software, because a test machine has no other. The browser
// trusts the server certificate with the given SPKI, and has no limit on signatures. (The flag that
// ignores all certificate errors would silently turn the feature off.)
func StartBinding(t testing.TB, dir, spki string) *Browser {
	t.Helper()
	return start(t, dir,
		chromedp.Flag("enable-features", "DeviceBoundSessions:RequireOriginTrialTokens/false/RefreshQuota/false,"+
			"EnableBoundSessionCredentialsSoftwareKeysForManualTesting"),
		chromedp.Flag("ignore-certificate-errors-spki-list", spki))
}

// SPKI returns the value with which StartBinding trusts a certificate.
func SPKI(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func start(t testing.TB, dir string, more ...chromedp.ExecAllocatorOption) *Browser {
	t.Helper()
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(testenv.Require(t, "chromium")),
		chromedp.UserDataDir(dir),
		chromedp.Headless,
		chromedp.NoSandbox, // Chromium has no sandbox for root
		chromedp.NoFirstRun,
		chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), // containers have only 64 MiB of it
		chromedp.Flag("password-store", "basic"),     // asks no keyring for the cookies' key
		chromedp.ModifyCmdFunc(ownGroup),
	}, more...)...)
	ctx, stop := chromedp.NewContext(alloc)
	b := &Browser{ctx: ctx, close: func() { stop(); stopAlloc() }}
	t.Cleanup(b.close)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chrometest: starting Chromium: %v", err)
	}
	return b
}

// Close closes the browser as a person does: the browser first writes its data to the profile.
func (b *Browser) Close(t testing.TB) {
	t.Helper()
	if err := chromedp.Cancel(b.ctx); err != nil {
		t.Fatalf("chrometest: closing Chromium: %v", err)
	}
}

// Kill ends the browser at once (SIGKILL). What it has not written to the profile is lost. If the
// system has process groups, all its processes end together, so that none notices the end of
// another and saves its data.
func (b *Browser) Kill(t testing.TB) {
	t.Helper()
	if err := killGroup(chromedp.FromContext(b.ctx).Browser.Process()); err != nil {
		t.Fatalf("chrometest: killing Chromium: %v", err)
	}
	b.close()
}

// Person is a user of the browser with cookies and storage of their own.
type Person struct{ ctx context.Context }

// Owner returns the person whose cookies are in the profile.
func (b *Browser) Owner() *Person { return &Person{b.ctx} }

// Person returns a new person, whose data are deleted with the test.
func (b *Browser) Person(t testing.TB) *Person {
	t.Helper()
	ctx, leave := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(leave)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chrometest: %v", err)
	}
	return &Person{ctx}
}

// BlockCookies prepares the empty profile in dir for a browser that blocks all cookies. Chromium
// then blocks storage, too.
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
