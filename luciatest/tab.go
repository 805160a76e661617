package luciatest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/lucia-go/lucia/internal/htmlform"
	"github.com/lucia-go/lucia/internal/wire"
	"github.com/lucia-go/lucia/session"
)

// Tab is a tab of a [Browser]: a page and the tokens that its scripts hold. A tab must not be
// used concurrently. Fetch, Refresh and SignOut of different tabs may be called concurrently, and
// in any goroutine.
type Tab struct {
	b     *Browser
	at    *url.URL
	page  *Page
	forms *htmlform.Page
	// tokens are the tokens of the page's scripts, or nil if the visitor is signed out.
	tokens *tokens
	// refreshed counts the consecutive pages that a Refresh header has replaced.
	refreshed int
}

// tokens are the members of _lucia that the browser module uses. They are empty in hardened mode.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// Page is an answer of the app.
type Page struct {
	// Status is the HTTP status, or 0 if the answer was lost because of
	// [Browser.LoseNextResponse].
	Status int
	// URL is the address of the page after redirects.
	URL *url.URL
	// Header is the answer's header.
	Header http.Header
	// Body is the answer's body.
	Body string
	// Data is the page data, or nil if the answer has none.
	Data map[string]json.RawMessage
}

// Page returns the page that the tab shows.
func (tab *Tab) Page() *Page { return tab.page }

// Get loads a page in the tab and follows redirects, as if a person had typed the address.
func (tab *Tab) Get(path string) *Page {
	tab.b.t.Helper()
	req := tab.request(http.MethodGet, path, nil)
	req.Header.Set("Sec-Fetch-Site", "none")
	return tab.navigate(req)
}

// Follow loads the target of a link on the tab's page. It is like Get, but sends Sec-Fetch-Site and
// Referer for the page of the link. href is the link's href, relative to the page's address. Follow
// does not check that the page has such a link.
func (tab *Tab) Follow(href string) *Page {
	tab.b.t.Helper()
	req := tab.request(http.MethodGet, href, nil)
	tab.setSource(req)
	return tab.navigate(req)
}

// Submit fills in a form of the tab's page and submits it as a person would. Fields that are not
// given, including hidden ones, keep their values. To press a submit button, give its name and
// value, as in url.Values{"do": {"delete"}}. If no button is given, Submit presses the first one,
// as Enter in a field does, and sends its name and value. The button's formaction, formmethod and
// formenctype apply. The hidden field with the access token follows the tab's refreshes, as with
// the browser module.
//
// The form is the first one that has all the given fields and the button, and whose hidden fields
// have the given values. So {"id": {"7"}} selects one of several forms that differ in a hidden
// field. If no form has the given hidden values, Submit takes the first one with the fields and
// changes its hidden fields, as a forged request would. The only value that a file field accepts
// is "", which means no file. Submit fails the test if the page has no such form.
func (tab *Tab) Submit(fields url.Values) *Page {
	tab.b.t.Helper()
	form := tab.forms.Form("", fields)
	if form == nil {
		tab.b.t.Fatalf("luciatest: %s", tab.whyNoForm(fields))
	}
	given := url.Values{}
	if form.Fields.Has(wire.FormField) && tab.tokens != nil && tab.tokens.Access != "" {
		given.Set(wire.FormField, tab.tokens.Access)
	}
	maps.Copy(given, fields)
	filled := form.Filled(given)
	if filled.Method == htmlform.MethodDialog {
		tab.b.t.Fatalf("luciatest: the form on %s closes a dialog, so a browser sends nothing", tab.at)
	}
	return tab.navigate(tab.submission(filled))
}

func (tab *Tab) whyNoForm(fields url.Values) string {
	if !isHTML(tab.page) {
		return fmt.Sprintf("%s is no HTML page, so it has no forms: status %d, Content-Type %q",
			tab.at, tab.page.Status, tab.page.Header.Get("Content-Type"))
	}
	return fmt.Sprintf("%s (status %d) has no form that takes %q", tab.at, tab.page.Status, fields)
}

// submission returns the request that a form makes.
func (tab *Tab) submission(form *htmlform.Form) *http.Request {
	var req *http.Request
	if form.Method == http.MethodPost {
		body, contentType := form.Body()
		req = tab.request(http.MethodPost, form.Action, bytes.NewReader(body))
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Origin", originOf(tab.at))
	} else {
		req = tab.request(http.MethodGet, form.Action, nil)
		req.URL.RawQuery = form.Fields.Encode()
	}
	tab.setSource(req)
	return req
}

// Fetch makes a request as the page's scripts do, with the access token if the tab has one. The
// tab keeps its page. A nil body means no body.
func (tab *Tab) Fetch(method, path string, body io.Reader) *Page {
	tab.b.t.Helper()
	token := ""
	if tab.tokens != nil {
		token = tab.tokens.Access
	}
	page, err := tab.fetch(method, path, token, body)
	if err != nil && !errors.Is(err, ErrLost) {
		tab.b.t.Errorf("luciatest: %s %s: %v", method, path, err)
	}
	return page
}

// Refresh does what the browser module does when the access token is about to expire. The error
// is session.CodeUnauthorized if the session is gone; the tab is then signed out. It is
// session.CodeDatabaseFetchFailed if the session store is unavailable, [ErrLost] if the answer
// was lost, and otherwise session.CodeUnknown. Tabs of one browser may call Refresh concurrently.
func (tab *Tab) Refresh() error {
	if tab.tokens == nil {
		return session.CodeUnauthorized
	}
	page, err := tab.fetch(http.MethodPost, tab.b.BasePath+wire.RouteRefresh, tab.tokens.Refresh, nil)
	if err != nil {
		return unknown(err)
	}
	if page.Status != http.StatusOK {
		return tab.refused(page, session.CodeUnauthorized)
	}
	hardened := tab.tokens.Refresh == ""
	var got wire.Refreshed
	if err := json.Unmarshal([]byte(page.Body), &got); err != nil || (got.RefreshToken == "") != hardened {
		return fmt.Errorf("%w: answer %.100s", session.CodeUnknown, page.Body)
	}
	tab.tokens = &tokens{got.AccessToken, got.RefreshToken}
	return nil
}

// SignOut does what signOut of the browser module does. The error is session.CodeNotAuthenticated
// if there is no session, session.CodeDatabaseUpdateFailed if the session store is unavailable,
// [ErrLost] if the answer was lost, and otherwise session.CodeUnknown.
func (tab *Tab) SignOut() error {
	if tab.tokens == nil {
		return session.CodeNotAuthenticated
	}
	page, err := tab.fetch(http.MethodPost, tab.b.BasePath+wire.RouteLogout, tab.tokens.Access, nil)
	if err != nil {
		return unknown(err)
	}
	if page.Status != http.StatusNoContent {
		return tab.refused(page, session.CodeNotAuthenticated)
	}
	tab.tokens = nil
	return nil
}

// unknown wraps an error of the network in its code.
func unknown(err error) error {
	if errors.Is(err, ErrLost) {
		return err
	}
	return fmt.Errorf("%w: %w", session.CodeUnknown, err)
}

// SignedIn reports whether the tab's scripts hold a session.
func (tab *Tab) SignedIn() bool { return tab.tokens != nil }

// Steal returns a tab of a thief's browser with copies of all cookies and tokens of this one. The
// two share nothing afterwards.
func (tab *Tab) Steal() *Tab {
	thief := *tab
	thief.b = tab.b.steal()
	return &thief
}

// refused returns the code of an answer. It signs the tab out if the code is gone and the status
// is 401.
func (tab *Tab) refused(page *Page, gone session.Code) error {
	var body wire.ErrorBody
	if json.Unmarshal([]byte(page.Body), &body) != nil {
		return fmt.Errorf("%w: status %d", session.CodeUnknown, page.Status)
	}
	code, _ := session.ParseCode(body.Message)
	if code == gone && page.Status == http.StatusUnauthorized {
		tab.tokens = nil
	}
	return fmt.Errorf("%w: status %d", code, page.Status)
}

func (tab *Tab) fetch(method, path, token string, body io.Reader) (*Page, error) {
	req := tab.request(method, path, body)
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Sec-Fetch-Dest", "empty")
	req.Header.Set("Sec-Fetch-Mode", "cors")
	tab.setSource(req)
	if method != http.MethodGet && method != http.MethodHead {
		req.Header.Set("Origin", originOf(tab.at))
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return tab.send(req)
}

// navigate makes the answer the tab's page.
func (tab *Tab) navigate(req *http.Request) *Page {
	tab.b.t.Helper()
	setNavigationHeaders(req)
	page, err := tab.send(req)
	if errors.Is(err, ErrLost) {
		return page // the old page stays
	}
	if err != nil {
		tab.b.t.Fatalf("luciatest: %s %s: %v", req.Method, req.URL, err)
	}
	tab.at, tab.page, tab.tokens, tab.forms = page.URL, page, nil, new(htmlform.Page)
	if target := refreshTarget(page); target != "" && tab.refreshed < maxRedirects {
		tab.refreshed++
		defer func() { tab.refreshed = 0 }()
		return tab.Follow(target)
	}
	if parsed, err := htmlform.Read(strings.NewReader(page.Body)); err == nil && isHTML(page) {
		tab.forms, page.Data = parsed, parsed.Data
	}
	if err := json.Unmarshal(page.Data[wire.FormField], &tab.tokens); err != nil && page.Data[wire.FormField] != nil {
		tab.b.t.Fatalf("luciatest: page data of %s: %v", tab.at, err)
	}
	return page
}

func isHTML(page *Page) bool {
	return strings.HasPrefix(page.Header.Get("Content-Type"), "text/html")
}

// request returns a request to an address, which may be relative to the tab's page. It panics if
// the address is malformed, as httptest.NewRequest does.
func (tab *Tab) request(method, path string, body io.Reader) *http.Request {
	u, err := tab.at.Parse(path)
	if err != nil {
		panic("luciatest: " + err.Error())
	}
	req, err := http.NewRequestWithContext(tab.b.t.Context(), method, u.String(), body)
	if err != nil {
		panic("luciatest: " + err.Error())
	}
	return req
}

// send sends a request and reads its answer. The Page is never nil.
func (tab *Tab) send(req *http.Request) (*Page, error) {
	web := tab.b.Client()
	web.CheckRedirect = setRedirectHeaders
	resp, err := web.Do(req)
	if err != nil {
		return &Page{URL: req.URL, Header: http.Header{}}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return &Page{URL: req.URL, Header: http.Header{}}, err
	}
	return &Page{Status: resp.StatusCode, URL: resp.Request.URL, Header: resp.Header, Body: string(body)}, nil
}
