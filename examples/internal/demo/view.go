package demo

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lucia-go/lucia"
)

// View is what a page is made of.
type View struct {
	// Context is the request's: the library's components read the session from it.
	Context context.Context
	// Request is what the page answers; a login form takes the return path from it.
	Request   *http.Request
	Framework string
	// Path is the page's own.
	Path string
	// Session is nil for nobody.
	Session  *lucia.Session[Profile]
	Hardened bool
	// Outcome says how this request came by its session, and Meaning what that is.
	Outcome lucia.Outcome
	Meaning string
	// Requests and StoreCalls count since the server started.
	Requests, StoreCalls int64
	// Status and Problem are those of the error that the page reports; Problem is
	// empty where there is none.
	Status  int
	Problem string
	// Username and Bio are what the page's form begins with.
	Username, Bio string

	assets *Assets
}

// View returns the view of the answer to r. err, where it is not nil, is what the
// page reports, and why it comes with another status than 200.
func (s *Site) View(w http.ResponseWriter, r *http.Request, auth *lucia.Auth[Profile], err error) *View {
	v := &View{
		Context:    r.Context(),
		Request:    r,
		Framework:  s.Framework,
		assets:     s.Assets,
		Path:       r.URL.Path,
		Session:    auth.Session(r.Context()),
		Hardened:   s.Config.Hardened,
		Outcome:    auth.Outcome(r.Context()),
		Requests:   s.calls.requests.Load(),
		StoreCalls: s.calls.calls.Load(),
		Status:     http.StatusOK,
	}
	v.Meaning = meanings[v.Outcome]
	if v.Session != nil {
		v.Bio = v.Session.User.Data.Bio
	}
	if r.Method == http.MethodPost {
		v.Username = r.PostFormValue("username")
		v.Bio = r.PostFormValue("bio")
	}
	if err != nil {
		s.report(w, r, v, err)
	}
	return v
}

// report makes the view one of an error, and tells the log what an operator must
// see.
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

// Title is the page's.
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
	case strings.HasPrefix(v.Path, "/notes"):
		return "Notes"
	}
	return "Welcome"
}

// Lifetime returns how many seconds the session's access token was made for.
func (v *View) Lifetime() int {
	return int(v.Session.ExpiresAt.Sub(v.Session.IssuedAt) / time.Second)
}

// Left returns how many seconds of them are left.
func (v *View) Left() int { return max(0, int(v.Session.ExpiresIn(time.Now())/time.Second)) }

// TimeLeft says it to people, as live.js does.
func (v *View) TimeLeft() string {
	left := v.Left()
	if left < 60 {
		return fmt.Sprintf("%d s", left)
	}
	return fmt.Sprintf("%d min %02d s", left/60, left%60)
}

// Initial is what stands for the user where there is no picture.
func (v *View) Initial() string {
	for _, r := range v.Session.User.Data.Username {
		return string(r)
	}
	return "?"
}

// Unsure reports whether there may well be a session, but nobody can tell now. The
// page then does not ask people to sign in.
func (v *View) Unsure() bool { return v.Session == nil && v.Outcome == lucia.OutcomeUnavailable }

// Heading is the first line of the page of an error.
func (v *View) Heading() string {
	if text, ok := headings[v.Status]; ok {
		return text
	}
	return "Something went wrong"
}

// Link is a way on.
type Link struct{ Path, Text string }

// Ways are where people may go from the page of an error, what helps most first.
func (v *View) Ways() []Link {
	home := Link{"/", "To the first page"}
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

// meanings says in a sentence what each outcome is.
var meanings = map[lucia.Outcome]string{
	lucia.OutcomeAnonymous:   "This request came without a session. No store was asked.",
	lucia.OutcomeFresh:       "The access token is valid. No store was asked.",
	lucia.OutcomeSignedIn:    "This request has signed in.",
	lucia.OutcomeRefreshed:   "The access token had run out. One store call rotated the refresh token.",
	lucia.OutcomeCurrent:     "The access token had run out. One store call found the refresh token in order.",
	lucia.OutcomeRepeated:    "An answer was lost or overtaken. One store call handed out its tokens again.",
	lucia.OutcomeAdopted:     "The store had lost its last writes. The session goes on all the same.",
	lucia.OutcomeExpired:     "The session has ended.",
	lucia.OutcomeReused:      "An old refresh token turned up again. All sessions of its user have been ended.",
	lucia.OutcomeUnavailable: "The store could not be asked. The session may well be alive.",
	lucia.OutcomeDeferred:    "The access token has run out. A request of this kind does not refresh it.",
	lucia.OutcomeInvalid:     "The request came with a token that is not genuine.",
	lucia.OutcomeUnknownKey:  "The request came with a token of another server.",
	lucia.OutcomeCrossOrigin: "The request came from another site. Its cookies were not looked at.",
	lucia.OutcomeAmbiguous:   "The request came with several sessions. None of them was believed.",
	lucia.OutcomeSignedOut:   "This request has signed out.",
}
