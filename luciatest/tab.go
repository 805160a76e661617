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

// Tab is a tab of a [Browser]: a page, and the tokens that its scripts hold. A tab
// is for one goroutine at a time; Fetch, Refresh and SignOut of different tabs may
// be called concurrently, and in goroutines of their own.
type Tab struct {
	b     *Browser
	at    *url.URL
	page  *Page
	forms *htmlform.Page
	// tokens are what the page's scripts hold; nil where nobody is signed in.
	tokens *tokens
}

// tokens are the members of _lucia that the browser module works with. In
// hardened mode they are empty.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// Page is an answer of the app.
type Page struct {
	// Status is the HTTP status, 0 where the answer was lost as
	// [Browser.LoseNextResponse] wanted it.
	Status int
	// URL is where redirects have led.
	URL *url.URL
	// Header is the answer's header.
	Header http.Header
	// Body is the answer's body.
	Body string
	// Data is the page data, nil where the answer has none.
	Data map[string]json.RawMessage
}

// Page returns the page that the tab shows.
func (tab *Tab) Page() *Page { return tab.page }

// Get loads a page in the tab, following redirects, as for an address that a person
// has typed in.
func (tab *Tab) Get(path string) *Page {
	tab.b.t.Helper()
	req := tab.request(http.MethodGet, path, nil)
	req.Header.Set("Sec-Fetch-Site", "none")
	return tab.navigate(req)
}

// Follow loads the page that a link of the tab's page leads to, as Get does, and says
// where the link is (Sec-Fetch-Site, Referer). href is as the link has it, relative to
// the page's address; whether there is such a link is not looked at.
func (tab *Tab) Follow(href string) *Page {
	tab.b.t.Helper()
	req := tab.request(http.MethodGet, href, nil)
	tab.comesFrom(req)
	return tab.navigate(req)
}

// Submit fills and submits a form of the tab's page as a person would: its other
// fields, hidden ones included, go along as they are. A name and value of a submit
// button press that button, as in url.Values{"do": {"delete"}}; where none is given
// the first one is pressed, as by Enter in a field, and its name and value go along.
// formaction, formmethod and formenctype of the button count. The hidden field with
// the access token follows the tab's refreshes, as the browser module sees to.
//
// The form is the first that has all the given fields and the button, and whose
// hidden fields have the given values: of several forms that differ in a hidden
// field it is that of {"id": {"7"}}. Where no form has the given values the first is
// taken, and a hidden field then says what is given, as a forged request would. For a
// field for files nothing can be given but "", no file. Submit fails the test where
// the page has no such form.
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
		tab.b.t.Fatalf("luciatest: the form on %s closes a dialog, a browser sends nothing", tab.at)
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

// submission is the request that a form makes.
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
	tab.comesFrom(req)
	return req
}

// Fetch makes a request as the page's scripts do: with the access token, if the
// tab has one. The page stays. A nil body is none.
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

// Refresh does what the browser module does when the access token is about to
// expire. The error is session.CodeUnauthorized where the session is gone, after
// which the tab is signed out, session.CodeDatabaseFetchFailed where the server
// could not tell, session.CodeUnknown for everything else and [ErrLost]. In tabs
// of one browser it may be called concurrently.
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

// SignOut does what the browser module's signOut does. The error is
// session.CodeNotAuthenticated where there is no session,
// session.CodeDatabaseUpdateFailed where the server could not end it,
// session.CodeUnknown for everything else and [ErrLost].
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

// unknown gives an error of the network its code.
func unknown(err error) error {
	if errors.Is(err, ErrLost) {
		return err
	}
	return fmt.Errorf("%w: %w", session.CodeUnknown, err)
}

// SignedIn reports whether the tab's scripts believe that somebody is signed in.
func (tab *Tab) SignedIn() bool { return tab.tokens != nil }

// Steal returns a tab of a thief's browser: with copies of all that this one has,
// cookies and tokens. From then on the two know nothing of one another.
func (tab *Tab) Steal() *Tab {
	thief := *tab
	thief.b = tab.b.steal()
	return &thief
}

// refused returns the code of an answer, and signs the tab out where that is gone,
// with status 401.
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
	tab.comesFrom(req)
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
	asNavigation(req)
	page, err := tab.send(req)
	if errors.Is(err, ErrLost) {
		return page // the old page stays
	}
	if err != nil {
		tab.b.t.Fatalf("luciatest: %s %s: %v", req.Method, req.URL, err)
	}
	tab.at, tab.page, tab.tokens, tab.forms = page.URL, page, nil, new(htmlform.Page)
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

// request is a request to an address as the tab's page would write it. A broken
// address panics, as in httptest.NewRequest.
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
	web.CheckRedirect = followed
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
