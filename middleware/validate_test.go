package middleware_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// validator is an app whose only page prints the result of a check.
func validator(t testing.TB, change func(*middleware.Config[profile]), check func(*middleware.Auth[profile], *http.Request) (*session.Session[profile], error)) *browser {
	a := newApp(t, change)
	inner := a.handler
	mux := http.NewServeMux()
	mux.Handle("/", inner)
	mux.Handle("/check", a.auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := check(a.auth, r)
		if err != nil {
			middleware.WriteError(w, err)
			return
		}
		io.WriteString(w, s.User.ID)
	})))
	a.handler = mux
	return newBrowser(t, a).signIn("u1")
}

func TestValidateRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := validator(t, nil, (*middleware.Auth[profile]).ValidateRequest)
		want(t, "bearer", text(t, b.do("DELETE", "/check", nil, "Authorization", "bearer "+b.access)), "u1")
		want(t, "cookies only", b.do("GET", "/check", nil).StatusCode, 401)
		want(t, "refresh token", b.do("GET", "/check", nil, "Authorization", "Bearer "+b.bearer).StatusCode, 401)
		want(t, "other scheme", b.do("GET", "/check", nil, "Authorization", "Basic "+b.access).StatusCode, 401)
		time.Sleep(16 * time.Minute)
		resp := b.do("GET", "/check", nil, "Authorization", "Bearer "+b.access)
		want(t, "expired", text(t, resp), `{"message":"AUTH_INVALID_ACCESS_TOKEN"}`)
		want(t, "cookies after an expired bearer", len(resp.Cookies()), 0)
	})
}

func TestValidateRequestByCookie(t *testing.T) {
	b := validator(t, nil, (*middleware.Auth[profile]).ValidateRequestByCookie)
	want(t, "GET", text(t, b.do("GET", "/check", nil)), "u1")
	want(t, "POST", b.do("POST", "/check", nil).StatusCode, 405)
	want(t, "with a bad bearer token beside", text(t, b.do("GET", "/check", nil, "Authorization", "Bearer x")), "u1")
	want(t, "anonymous", newBrowser(t, b.app).do("GET", "/check", nil).StatusCode, 401)
}

func TestValidateFormSubmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := validator(t, nil, (*middleware.Auth[profile]).ValidateFormSubmission)
		post := func(who *browser, header []string, fields ...string) string {
			return text(t, who.do("POST", "/check", form(fields...), append([]string{"Content-Type", urlencoded}, header...)...))
		}
		const badToken, badRequest = `{"message":"AUTH_INVALID_ACCESS_TOKEN"}`, `{"message":"AUTH_INVALID_REQUEST"}`
		want(t, "good", post(b, nil, "_lucia", b.access), "u1")
		want(t, "GET", b.do("GET", "/check", nil).StatusCode, 405)
		want(t, "no field", post(b, nil, "x", "y"), badToken)
		want(t, "garbage", post(b, nil, "_lucia", "x"), badToken)
		want(t, "refresh token", post(b, nil, "_lucia", b.bearer), badToken)
		want(t, "another origin", post(b, []string{"Sec-Fetch-Site", "cross-site"}, "_lucia", b.access), badRequest)
		want(t, "query", text(t, b.do("POST", "/check?_lucia="+b.access, form(), "Content-Type", urlencoded)), badToken)
		other := newBrowser(t, b.app).signIn("u2")
		want(t, "another session's token", post(other, nil, "_lucia", b.access), badToken)

		typed := b.access
		time.Sleep(time.Hour)
		want(t, "expired while the person typed", post(b, nil, "_lucia", typed), "u1")
		b.do("POST", "/api/auth/logout", nil, "Authorization", "Bearer "+b.cookies["access_token"])
		want(t, "expired, after sign-out", post(b, nil, "_lucia", typed), badToken)
	})
}

func TestValidateFormSubmissionHardened(t *testing.T) {
	b := validator(t, func(c *middleware.Config[profile]) { c.Hardened = true }, (*middleware.Auth[profile]).ValidateFormSubmission)
	want(t, "tokens in the page", b.access+b.bearer, "")
	post := func(header ...string) int {
		return b.do("POST", "/check", form("bio", "x", "_lucia", ""), append(header, "Content-Type", urlencoded)...).StatusCode
	}
	want(t, "same origin", post("Sec-Fetch-Site", "same-origin"), 200)
	want(t, "another origin", post("Sec-Fetch-Site", "same-site"), 403)
	want(t, "another origin, older browser", post("Origin", "https://evil.example"), 403)
}

// In hardened mode the field names the session of the form's page.
func TestHardenedFormNamesItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := validator(t, func(c *middleware.Config[profile]) { c.Hardened = true }, (*middleware.Auth[profile]).ValidateFormSubmission)
		field := func() string {
			var id string
			h := b.app.auth.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				id = b.app.auth.Session(r.Context()).ID.String()
				want(t, "hidden field", string(middleware.FormField.HTML(r.Context())), `<input type="hidden" name="_lucia" value="`+id+`">`)
			}))
			h.ServeHTTP(httptest.NewRecorder(), b.request("GET", "/page", nil, "Sec-Fetch-Dest", "document"))
			return id
		}
		post := func(path, value string, header ...string) *http.Response {
			return b.do("POST", path, form("_lucia", value), append(header, "Content-Type", urlencoded, "Sec-Fetch-Site", "same-origin")...)
		}
		first := field()
		want(t, "own session", text(t, post("/check", first)), "u1")
		time.Sleep(time.Hour)
		want(t, "own session, refreshed since", text(t, post("/check", first)), "u1")
		want(t, "no session's id", post("/check", "x").StatusCode, 401)
		b.signIn("u2")
		resp := post("/check", first)
		want(t, "another's session", resp.StatusCode, 403)
		want(t, "another's session, body", text(t, resp), `{"message":"AUTH_INVALID_REQUEST"}`)
		want(t, "no field", text(t, post("/check", "")), "u2")

		want(t, "a script signs out another session", post("/api/auth/logout", first).StatusCode, 401)
		want(t, "the session continues", text(t, post("/check", "")), "u2")
		want(t, "a person signs out on an older page", post("/api/auth/logout", first, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document").StatusCode, 303)
		want(t, "cookies left", len(b.cookies), 0)
		b.signIn("u1")
		want(t, "a script signs out its own session", post("/api/auth/logout", field()).StatusCode, 303)
		want(t, "form without a session", post("/check", first).StatusCode, 401)
	})
}

func TestSignOutHandlerOfTheApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := validator(t, nil, func(*middleware.Auth[profile], *http.Request) (*session.Session[profile], error) {
			return nil, session.CodeUnknown
		})
		auth := b.app.auth
		inner := b.app.handler
		mux := http.NewServeMux()
		mux.Handle("/", inner)
		mux.Handle("POST /bye", auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := auth.SignOut(w, r); err != nil {
				middleware.WriteError(w, err)
			} else if auth.Session(r.Context()) != nil {
				t.Error("the request still has a session after SignOut")
			}
		})))
		b.app.handler = mux
		time.Sleep(time.Hour)
		want(t, "another origin", b.do("POST", "/bye", nil, "Sec-Fetch-Site", "cross-site").StatusCode, 403)
		want(t, "expired session", b.do("POST", "/bye", nil).StatusCode, 200)
		want(t, "cookies left", len(b.cookies), 0)
		want(t, "again", b.do("POST", "/bye", nil).StatusCode, 200)
	})
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	messages := map[string]string{}
	for name, change := range map[string]func(*middleware.Config[profile]){
		"short secret":    func(c *middleware.Config[profile]) { c.Secret = []byte("short") },
		"no store":        func(c *middleware.Config[profile]) { c.Store = nil },
		"no LoadUser":     func(c *middleware.Config[profile]) { c.LoadUser = nil },
		"base path":       func(c *middleware.Config[profile]) { c.BasePath = "api" },
		"base path slash": func(c *middleware.Config[profile]) { c.BasePath = "/api/" },
		"login elsewhere": func(c *middleware.Config[profile]) { c.LoginPath = "https://evil.example" },
		"login in base":   func(c *middleware.Config[profile]) { c.LoginPath = "/api/auth/login" },
		"prefix letters":  func(c *middleware.Config[profile]) { c.CookiePrefix = "a b" },
		"browser prefix":  func(c *middleware.Config[profile]) { c.CookiePrefix = "__Host-" },
		"domain":          func(c *middleware.Config[profile]) { c.CookieDomain = "not a domain" },
		"hardened domain": func(c *middleware.Config[profile]) { c.Hardened, c.CookieDomain = true, "example.com" },
		"cookie bytes":    func(c *middleware.Config[profile]) { c.MaxCookieBytes = -1 },
		"no room":         func(c *middleware.Config[profile]) { c.MaxCookieBytes = 100 },
		"origin":          func(c *middleware.Config[profile]) { c.TrustedOrigins = []string{"example.com"} },
		"access ttl":      func(c *middleware.Config[profile]) { c.AccessTTL = time.Millisecond },
		"refresh ttl":     func(c *middleware.Config[profile]) { c.RefreshTTL = time.Minute },
		"lifetime":        func(c *middleware.Config[profile]) { c.Lifetime = 500 * 24 * time.Hour },
		"grace":           func(c *middleware.Config[profile]) { c.Grace = -1 },
	} {
		config := middleware.Config[profile]{Secret: make([]byte, 32), Store: newApp(t, nil).store, LoadUser: noUser}
		change(&config)
		_, err := middleware.New(config)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if before, ok := messages[err.Error()]; ok {
			t.Errorf("%s and %s have one message: %v", name, before, err)
		}
		if !strings.HasPrefix(err.Error(), "middleware: ") && !strings.HasPrefix(err.Error(), "lucia: ") {
			t.Errorf("%s: %v has no prefix of a package", name, err)
		}
		messages[err.Error()] = name
	}
}

func TestStatusOfCodes(t *testing.T) {
	want(t, "nil", middleware.Status(nil), 200)
	want(t, "no code", middleware.Status(errors.New("x")), 500)
	want(t, "an empty code", middleware.Status(session.Code("")), 500)
	want(t, "sign-in with an invalid id", middleware.Status(session.CodeInvalidUserID), 400)
	cut := &http.MaxBytesError{Limit: 1} // an error of a response that LoadUser has read
	want(t, "an outage with that cause", middleware.Status(fmt.Errorf("%w: %w", session.CodeDatabaseFetchFailed, cut)), 503)
}

func TestErrorsOfTheAppHaveAChallenge(t *testing.T) {
	for err, challenge := range map[error]string{
		session.CodeInvalidAccessToken: `Bearer realm="lucia", error="invalid_token"`,
		session.CodeUnauthorized:       `Bearer realm="lucia"`,
		session.CodeInvalidRequest:     "",
	} {
		w := httptest.NewRecorder()
		middleware.WriteError(w, err)
		want(t, err.Error(), w.Header().Get("WWW-Authenticate"), challenge)
	}
}

func TestAFormThatIsTooLargeIsRefused(t *testing.T) {
	b := validator(t, nil, func(a *middleware.Auth[profile], r *http.Request) (*session.Session[profile], error) {
		r.Body = http.MaxBytesReader(nil, r.Body, 100)
		return a.ValidateFormSubmission(r)
	})
	resp := b.do("POST", "/check", form("bio", strings.Repeat("x", 1000), "_lucia", b.access), "Content-Type", urlencoded)
	want(t, "status", resp.StatusCode, 413)
	want(t, "body", text(t, resp), `{"message":"AUTH_INVALID_REQUEST"}`)
}
