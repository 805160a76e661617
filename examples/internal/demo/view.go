package demo

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lucia-go/lucia"
)

// View is the data of a page.
type View struct {
	// Context is the request's: the library's components read the session from it.
	Context context.Context
	// Request is the request for the page. A login form takes the return path from it.
	Request   *http.Request
	Framework string
	// Path is the path of the page.
	Path string
	// Session is nil for a signed-out visitor.
	Session  *lucia.Session[Profile]
	Hardened bool
	// Idle is after how long without a person the session ends, or 0.
	Idle time.Duration
	// DeviceBound reports whether the app binds sessions to devices.
	DeviceBound bool
	// Outcome is how this request got its session, and Meaning explains it.
	Outcome lucia.Outcome
	Meaning string
	// Requests and StoreCalls count from the start of the server.
	Requests, StoreCalls int64
	// Status and Problem describe the error that the page reports. Problem is empty if there is
	// none.
	Status  int
	Problem string
	// Username, Bio and Remember are the initial values of the page's form.
	Username, Bio string
	Remember      bool
	// Admin reports whether the person may act as others.
	Admin bool
	// Devices are the person's sessions, on the page that lists them.
	Devices []Device

	assets *Assets
}

// View returns the view for the answer to r. If err is not nil, the page reports it and has a
// status other than 200.
func (s *Site) View(w http.ResponseWriter, r *http.Request, auth *lucia.Auth[Profile], err error) *View {
	v := &View{
		Context:   r.Context(),
		Request:   r,
		Framework: s.Framework,
		assets:    s.Assets,
		Path:      pageOf(r.URL.Path),
		Session:   auth.Session(r.Context()),
		Hardened:  s.Config.Hardened,

		Idle:        s.Config.IdleTimeout,
		DeviceBound: s.Config.DeviceBound,

		Outcome:    auth.Outcome(r.Context()),
		Requests:   s.calls.requests.Load(),
		StoreCalls: s.calls.calls.Load(),
		Status:     http.StatusOK,
		Remember:   true,
	}
	v.Meaning = meanings[v.Outcome]
	v.Admin = s.isAdmin(v.Session)
	if v.Session != nil {
		v.Bio = v.Session.User.Data.Bio
	}
	if r.Method == http.MethodPost {
		v.Username = r.PostFormValue("username")
		v.Bio = r.PostFormValue("bio")
		v.Remember = Remember(r)
	}
	if err != nil {
		s.report(w, r, v, err)
	}
	return v
}

// pageOf returns the page that a path belongs to: that of the form, for a path that only takes
// forms.
func pageOf(path string) string {
	switch path {
	case "/devices/end":
		return "/devices"
	case "/act", "/act/stop":
		return "/profile"
	}
	return path
}

// report makes the view report an error and logs the errors that an operator must see.
func (s *Site) report(w http.ResponseWriter, r *http.Request, v *View, err error) {
	v.Status, v.Problem = Explain(err)
	if v.Status >= http.StatusInternalServerError {
		s.log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "status", v.Status, "error", err)
	}
	if v.Status == http.StatusServiceUnavailable {
		const seconds = "2"
		w.Header().Set("Retry-After", seconds)
	}
}

// Asset returns the URL of a static file.
func (v *View) Asset(name string) string { return v.assets.URL(name) }

// Title is the title of the page.
func (v *View) Title() string {
	switch {
	case v.Unsure() && v.Problem != "":
		return v.Heading()
	case v.Path == "/login":
		return "Sign in"
	case v.Path == "/signup":
		return "Sign up"
	case v.Problem != "":
		return v.Heading()
	case v.Path == "/profile":
		return "Profile"
	case v.Path == "/devices":
		return "Devices"
	case v.Path == "/danger":
		return "Danger zone"
	case v.Path == "/again":
		return "Confirm that it is you"
	case strings.HasPrefix(v.Path, "/notes"):
		return "Notes"
	}
	return "Welcome"
}

// Lifetime returns the lifetime of the session's access token in seconds.
func (v *View) Lifetime() int {
	return int(v.Session.ExpiresAt.Sub(v.Session.IssuedAt) / time.Second)
}

// Left returns how many seconds of the lifetime are left.
func (v *View) Left() int { return max(0, int(v.Session.ExpiresIn(time.Now())/time.Second)) }

// Generation numbers the session's refresh tokens, as live.js does. In a bound session the upper
// bits say so and name the key.
func (v *View) Generation() int {
	const number = 1<<20 - 1
	if v.Session.Bound() {
		return int(v.Session.Generation & number)
	}
	return int(v.Session.Generation)
}

// BoundText says whether the session is bound to the browser's device, as live.js does.
func (v *View) BoundText() string {
	if v.Session.Bound() {
		return "yes: copied cookies end with the access token"
	}
	return "not yet, or not with this browser"
}

// TimeLeft formats Left for people, as live.js does.
func (v *View) TimeLeft() string {
	left := v.Left()
	if left < 60 {
		return fmt.Sprintf("%d s", left)
	}
	return fmt.Sprintf("%d min %02d s", left/60, left%60)
}

// Initial is the letter in place of the user's picture.
func (v *View) Initial() string {
	for _, r := range v.Session.User.Data.Username {
		return string(r)
	}
	return "?"
}

// Unsure reports whether there may be a session but the session store is unavailable. The page
// then does not ask people to sign in.
func (v *View) Unsure() bool { return v.Session == nil && v.Outcome == lucia.OutcomeUnavailable }

// Heading is the first line of an error page.
func (v *View) Heading() string {
	if text, ok := headings[v.Status]; ok {
		return text
	}
	return "Something went wrong"
}

// Link is a link of an error page.
type Link struct{ Path, Text string }

// Ways returns the links of an error page, the most helpful one first.
func (v *View) Ways() []Link {
	home := Link{"/", "Home page"}
	switch {
	case v.Unsure(), v.Status == http.StatusServiceUnavailable:
		return []Link{{v.Path, "Try again"}, home}
	case v.Session != nil:
		return []Link{home, {"/profile", "Your profile"}}
	case v.Status == http.StatusUnauthorized:
		return []Link{{"/login", "Sign in"}, home}
	}
	return []Link{home, {"/login", "Sign in"}}
}

// meanings explains each outcome in a sentence.
var meanings = map[lucia.Outcome]string{
	lucia.OutcomeAnonymous:   "This request has no session. No store call was needed.",
	lucia.OutcomeFresh:       "The access token is valid. No store call was needed.",
	lucia.OutcomeSignedIn:    "This request began the session.",
	lucia.OutcomeRefreshed:   "The access token had expired. One store call rotated the refresh token.",
	lucia.OutcomeCurrent:     "The access token had expired. One store call found the refresh token current.",
	lucia.OutcomeRepeated:    "An earlier answer was lost or overtaken. One store call returned its tokens again.",
	lucia.OutcomeAdopted:     "The store had lost its last writes. The session continues nevertheless.",
	lucia.OutcomeExpired:     "The session has ended.",
	lucia.OutcomeReused:      "An old refresh token was used again. All sessions of its user have ended.",
	lucia.OutcomeUnavailable: "The store is unavailable. The session may still be valid.",
	lucia.OutcomeDeferred:    "The access token has expired. A request of this kind does not refresh it.",
	lucia.OutcomeInvalid:     "This request has a token that is not genuine.",
	lucia.OutcomeUnknownKey:  "This request has a token under the key of another server.",
	lucia.OutcomeCrossOrigin: "This request came from another site. Its cookies were ignored.",
	lucia.OutcomeAmbiguous:   "This request has several sessions. None of them was used.",
	lucia.OutcomeSignedOut:   "This request ended the session.",
}
