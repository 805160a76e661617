package e2e_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/lucia-go/lucia/internal/testenv"
)

// Everything works with scripting disabled.
func TestChromiumWithoutScripting(t *testing.T) {
	t.Parallel()
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(testenv.Require(t, "chromium")),
		chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true))
	t.Cleanup(stopAlloc)
	browser, stop := chromedp.NewContext(alloc)
	t.Cleanup(stop)
	if err := chromedp.Do(browser); err != nil {
		t.Fatal(err)
	}
	for _, app := range apps {
		for _, flag := range []string{"-hardened=false", "-hardened"} {
			t.Run(app+" "+flag, func(t *testing.T) { testWithoutScripting(t, browser, start(t, app, flag)) })
		}
	}
}

// quiet is a tab whose pages run no scripts. The test looks and clicks from
// outside.
type quiet struct {
	t   *testing.T
	ctx context.Context
}

func newQuiet(t *testing.T, browser context.Context) *quiet {
	t.Helper()
	ctx, leave := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(leave)
	tab := &quiet{t, ctx}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	command(tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	return tab
}

func command[P, R any](tab *quiet, c cdp.Command[P, R], params P) R {
	tab.t.Helper()
	result, err := chromedp.Call(tab.ctx, c, params)
	if err != nil {
		tab.t.Fatalf("%s: %v", c.Method, err)
	}
	return result
}

func (tab *quiet) open(url string) {
	tab.t.Helper()
	if err := chromedp.Do(tab.ctx, chromedp.Navigate(url)); err != nil {
		tab.t.Fatal(err)
	}
}

// do runs an expression in the page, as no script of it could.
func (tab *quiet) do(expression string) string {
	yes := true
	r, err := chromedp.Call(tab.ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: expression, ReturnByValue: &yes})
	if err != nil || r.ExceptionDetails != nil {
		return "" // the page is being left, or is not there yet
	}
	return strings.Trim(string(r.Result.Value), `"`)
}

// until waits for what the page is to be.
func (tab *quiet) until(expression string) {
	tab.t.Helper()
	poll(tab.t, func() bool { return tab.do("Boolean("+expression+")") == "true" })
}

func (tab *quiet) submit(selector string, fields ...[2]string) {
	for _, f := range fields {
		tab.do(`document.querySelector('[name="` + f[0] + `"]').value = "` + f[1] + `"`)
	}
	tab.do(`document.querySelector('` + selector + ` button').click()`)
}

func testWithoutScripting(t *testing.T, browser context.Context, s *server) {
	tab := newQuiet(t, browser)
	name := newName()
	tab.open(s.URL + "/profile")
	tab.until(`location.pathname === "/login"`)
	tab.open(s.URL + "/signup")
	tab.submit(".stack", [2]string{"username", name}, [2]string{"password", password})
	tab.until(`location.pathname === "/profile" && document.readyState === "complete"`)
	if got := tab.do(`document.querySelector("[data-script]").hidden && !document.querySelector("[data-log] li")`); got != "true" {
		t.Error("a script has run, or the page shows what needs one")
	}
	tab.submit(".stack", [2]string{"bio", "Quiet"})
	tab.until(`document.querySelector(".bio")?.innerText === "Quiet"`)
	if s.app == "echo" {
		testNotesWithoutScripting(tab, s)
	}
	tab.submit("[data-sign-out]")
	tab.until(`location.pathname === "/" && document.querySelector('a[href="/signup"]')`)
	tab.open(s.URL + "/profile")
	tab.until(`location.pathname === "/login"`)
	tab.submit(".stack", [2]string{"username", name}, [2]string{"password", "wrong"})
	tab.until(`document.querySelector(".problem")?.innerText.includes("wrong")`)
	tab.submit(".stack", [2]string{"username", name}, [2]string{"password", password})
	tab.until(`location.pathname === "/profile"`)
}

func testNotesWithoutScripting(tab *quiet, s *server) {
	tab.open(s.URL + "/notes")
	tab.submit(".add", [2]string{"text", "First"})
	tab.until(`document.querySelector("#notes .text")?.innerText === "First"`)
	tab.do(`document.querySelector("#notes a").click()`)
	tab.until(`document.querySelector("#notes .add")`)
	tab.do(`document.querySelector("#notes input").value = "Second"`)
	tab.submit("#notes .add")
	tab.until(`document.querySelector("#notes .text")?.innerText === "Second"`)
	tab.submit("#notes form")
	tab.until(`location.pathname === "/notes" && !document.querySelector("#notes li")`)
}
