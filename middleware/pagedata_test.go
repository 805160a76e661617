package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// hostile are values that would end the element, the string or the line, or begin another one, if
// they were not escaped.
var hostile = []string{
	"</script><script>alert(1)</script>", "<!--<script>", "-->", "]]>", "\u2028\u2029", `"`, `\`, `'`, "&quot;&lt;",
	"\x00\x01\x1f", "Zoë ~>?", "</ScRiPt", "<\x00!--", "\ufeff", "𝕏", "${x}`",
}

// rendered is a page as a browser's parser sees it.
type rendered struct {
	elements []string // names, in order
	data     map[string]json.RawMessage
	attr     map[string]string // of all elements; the last one wins
	field    string
}

// parse parses the page before a paragraph. It fails unless the paragraph is still an element of
// its own.
func parse(t testing.TB, page string) rendered {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(page + `<p id="after">`))
	out := rendered{attr: map[string]string{}}
	for {
		switch z.Next() {
		case html.ErrorToken:
			if n := len(out.elements); n == 0 || out.elements[n-1] != "p" || out.attr["id"] != "after" {
				t.Fatalf("an element of the page contains the paragraph after it: %q in\n%s", out.elements, page)
			}
			return out
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			out.elements = append(out.elements, token.Data)
			for _, a := range token.Attr {
				out.attr[a.Key] = a.Val
			}
			if token.Data == "input" {
				out.field = out.attr["value"]
			}
		case html.TextToken:
			if out.attr["id"] == "lucia-page-data" && out.data == nil {
				if err := json.Unmarshal(z.Raw(), &out.data); err != nil {
					t.Fatalf("the page data is no JSON object: %v in\n%s", err, page)
				}
			}
		case html.CommentToken, html.DoctypeToken:
			t.Fatalf("a comment or doctype in\n%s", page)
		}
	}
}

// render renders a component for a request that has just signed a user in.
func render(t testing.TB, a *app, userID string, c middleware.Component) (string, error) {
	var page bytes.Buffer
	var failed error
	h := a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := a.auth.SignIn(w, r, userID); err != nil {
			t.Errorf("signing in: %v", err)
		}
		failed = c.Render(r.Context(), &page)
	}))
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("Sec-Fetch-Dest", "document")
	h.ServeHTTP(httptest.NewRecorder(), r)
	return page.String(), failed
}

// checkPageData renders hostile data in every position and reads it back.
func checkPageData(t testing.TB, userID, name, extra string) {
	t.Helper()
	a := newApp(t, nil)
	a.loadUser = func(string) (profile, error) { return profile{name}, nil }
	page, err := render(t, a, userID, middleware.PageData.With(map[string]string{"x" + extra: extra}))
	if err != nil {
		t.Fatal(err)
	}
	got := parse(t, page)
	want(t, "elements", strings.Join(got.elements, " "), "script script p")
	want(t, "members", len(got.data), 2)
	var who struct {
		User struct {
			ID       string `json:"user_id"`
			Username string `json:"username"`
		} `json:"user"`
	}
	if err := json.Unmarshal(got.data["_lucia"], &who); err != nil {
		t.Fatal(err)
	}
	want(t, "user id", who.User.ID, userID)
	want(t, "name", who.User.Username, name)
	var value string
	if err := json.Unmarshal(got.data["x"+extra], &value); err != nil {
		t.Fatalf("the app's own member %q: %v", "x"+extra, err)
	}
	want(t, "the app's own data", value, extra)
}

func TestPageDataSurvivesHostileValues(t *testing.T) {
	for _, value := range hostile {
		checkPageData(t, "id"+value, value, value)
	}
}

func FuzzPageData(f *testing.F) {
	for _, value := range hostile {
		f.Add("id"+value, value, value)
	}
	f.Fuzz(func(t *testing.T, userID, name, extra string) {
		if !utf8.ValidString(userID) || !utf8.ValidString(name) || !utf8.ValidString(extra) {
			t.Skip("JSON has no such strings")
		}
		if session.CheckUserID(userID) != nil || len(name) > 100 {
			t.Skip("the user's cookies do not fit")
		}
		checkPageData(t, userID, name, extra)
	})
}

func TestScriptTagSurvivesAHostileNonce(t *testing.T) {
	for _, nonce := range hostile {
		a := newApp(t, func(c *middleware.Config[profile]) {
			c.Nonce = func(context.Context) string { return nonce }
		})
		page, err := render(t, a, "u1", middleware.ScriptTag)
		if err != nil {
			t.Fatal(err)
		}
		got := parse(t, page)
		want(t, "elements", strings.Join(got.elements, " "), "script p")
		want(t, "nonce", got.attr["nonce"], strings.ReplaceAll(nonce, "\x00", "\ufffd"))
	}
}

// TestPagesOfHTMLTemplate uses the functions of FuncMap in a template.
func TestPagesOfHTMLTemplate(t *testing.T) {
	page := template.Must(template.New("").Funcs(middleware.FuncMap()).Parse(
		`{{lucia .Context}}<form>{{luciaField .Context}}</form>`))
	a := newApp(t, nil)
	a.loadUser = func(string) (profile, error) { return profile{hostile[0]}, nil }
	a.handler = a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			a.auth.SignIn(w, r, "u1")
		}
		if err := page.Execute(w, r); err != nil {
			t.Error(err)
		}
	}))
	b := newBrowser(t, a)
	b.do("POST", "/", nil)
	resp := b.do("GET", "/", nil, "Sec-Fetch-Dest", "empty")
	got := parse(t, text(t, resp))
	want(t, "elements", strings.Join(got.elements, " "), "script script form input p")
	want(t, "field", got.field, b.cookies["access_token"])
	want(t, "session", strings.Contains(string(got.data["_lucia"]), `"user_id":"u1"`), true)
	want(t, "Cache-Control", resp.Header.Get("Cache-Control"), "private, no-store")
	want(t, "Vary", resp.Header.Get("Vary"), "Cookie")
}

func TestPageDataRefusesDataThatIsNoObject(t *testing.T) {
	for _, test := range []struct {
		data any
		ok   bool
	}{
		{nil, true},
		{map[string]int{}, true},
		{struct{ A, B int }{1, 2}, true},
		{[]int{1}, false},
		{"text", false},
		{(*struct{})(nil), false},
		{map[string]any{"_lucia": nil}, false},
		{map[string]any{"f": func() {}}, false},
	} {
		a := newApp(t, nil)
		component := middleware.PageData.With(test.data)
		page, err := render(t, a, "u1", component)
		want(t, "accepted", err == nil, test.ok)
		if err != nil {
			want(t, "output with an error", page, "")
			want(t, "HTML", string(component.HTML(t.Context())), "<!-- lucia: page data must be a JSON object without a member _lucia -->")
			continue
		}
		parse(t, page)
	}
}

func TestHardenedPagesCarryNoToken(t *testing.T) {
	a := newApp(t, func(c *middleware.Config[profile]) { c.Hardened = true })
	for _, c := range []middleware.Component{middleware.PageData, middleware.FormField} {
		page, err := render(t, a, "u1", c)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "there is a token in the page", strings.Contains(page, `"eyJ`), false)
	}
}

// The browser module does not reload a page that answers a form, whether or not the visitor is
// signed in.
func TestPageDataMarksTheAnswerToAForm(t *testing.T) {
	for name, c := range map[string]struct{ method, user, want string }{
		"GET, signed in":   {"GET", "u1", ""},
		"GET, signed out":  {"GET", "", ""},
		"POST, signed in":  {"POST", "u1", "POST"},
		"POST, signed out": {"POST", "", "POST"},
		"PUT":              {"PUT", "u1", "PUT"},
		"an odd method":    {"PROPFIND", "u1", ""},
	} {
		a := newApp(t, nil)
		h := a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c.user != "" {
				if _, err := a.auth.SignIn(w, r, c.user); err != nil {
					t.Error(err)
				}
			}
			io.WriteString(w, string(middleware.DataBlock.HTML(r.Context())))
		}))
		answer := httptest.NewRecorder()
		r := httptest.NewRequest(c.method, "/", nil)
		r.Header.Set("Sec-Fetch-Dest", "document")
		h.ServeHTTP(answer, r)
		want(t, name, parse(t, answer.Body.String()).attr["data-method"], c.want)
	}
}

// With adds data to the component that it is called on, and to no other component.
func TestWithChangesItsOwnComponentOnly(t *testing.T) {
	data := map[string]int{"n": 1}
	var ctx context.Context // of a request; components may be rendered after it
	handler := newApp(t, nil).auth.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ctx = r.Context() }))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	html := func(c middleware.Component) string { return string(c.HTML(ctx)) }
	block := `<script type="application/json" id="lucia-page-data">{"_lucia":null,"n":1}</script>`
	want(t, "DataBlock", html(middleware.DataBlock.With(data)), block)
	want(t, "PageData", html(middleware.PageData.With(data)), block+html(middleware.ScriptTag))
	want(t, "ScriptTag", html(middleware.ScriptTag.With(data)), html(middleware.ScriptTag))
	want(t, "FormField", html(middleware.FormField.With(data)), html(middleware.FormField))
	want(t, "the zero Component", html(middleware.Component{}), "")
}

// The hidden field is of the request's current session, also after the handler has changed it.
func TestFormFieldFollowsTheSession(t *testing.T) {
	for _, hardened := range []bool{false, true} {
		a := newApp(t, func(c *middleware.Config[profile]) { c.Hardened = hardened })
		a.handler = a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			check := func(step string) (value string) {
				field := string(middleware.FormField.HTML(r.Context()))
				var rendered strings.Builder
				if err := middleware.FormField.Render(r.Context(), &rendered); err != nil {
					t.Error(err)
				}
				want(t, step+": HTML and Render", field, rendered.String())
				value = parse(t, field).field
				want(t, step+": the whole field", field, `<input type="hidden" name="_lucia" value="`+value+`">`)
				return value
			}
			expected := func(s *session.Session[profile]) string {
				if hardened {
					return s.ID.String()
				}
				return string(s.AccessToken)
			}
			if before := a.auth.Session(r.Context()); before != nil {
				want(t, "the request's session", check("before"), expected(before))
			} else {
				want(t, "signed out", check("before"), "")
			}
			after, err := a.auth.SignIn(w, r, "u2")
			if err != nil {
				t.Fatal(err)
			}
			want(t, "the new session", check("after"), expected(after))
			if !hardened {
				a.auth.Session(r.Context()).AccessToken = `"><script>`
				want(t, "a token that the app has changed", string(middleware.FormField.HTML(r.Context())),
					`<input type="hidden" name="_lucia" value="&#34;&gt;&lt;script&gt;">`)
			}
			if err := a.auth.SignOut(w, r); err != nil {
				t.Fatal(err)
			}
			want(t, "signed out again", check("end"), "")
		}))
		b := newBrowser(t, a)
		b.do("POST", "/", nil, "Sec-Fetch-Site", "same-origin")
		w := httptest.NewRecorder()
		if _, err := a.auth.SignIn(w, httptest.NewRequest("POST", "/login", nil), "u1"); err != nil {
			t.Fatal(err)
		}
		b.keep(w.Result())
		for range 2 { // the second is of a cached token
			b.send(b.request("GET", "/", nil, "Sec-Fetch-Dest", "document"))
		}
	}
}
