package middleware

import (
	"html"
	"net/http"

	"github.com/lucia-go/lucia/session"
)

// notice is what a person sees instead of an error code.
type notice struct {
	title string
	text  string
	then  string // what to do next, HTML
}

// noticeOf returns the notice for an error.
func noticeOf(r *http.Request, status int, code session.Code) notice {
	again := `Nothing was done. Go back and try again.`
	if isRead(r) {
		again = `<a href="">Try again</a>`
	}
	switch {
	case code == session.CodeStepUpRequired:
		return notice{"Confirm that it is you", "You signed in a while ago.", `<a href="/">To the start page</a>`}
	case code == session.CodeDeviceRequired:
		return notice{"Not with this browser", "This page needs a sign-in that is bound to your device, and yours is not.", `<a href="/">To the start page</a>`}
	case code == session.CodeDatabaseFetchFailed:
		return notice{"Back in a moment", "You are still signed in, but we cannot check it right now.", again}
	case status == http.StatusServiceUnavailable:
		return notice{"Back in a moment", "We cannot save anything right now.", again}
	case status == http.StatusUnauthorized:
		return notice{"Sign in", "You are not signed in.", `<a href="/">To the start page</a>`}
	case status == http.StatusForbidden:
		return notice{"Not from this site", "The request came from another site, or from a page that is out of date.", `Nothing was done. <a href="/">To the start page</a>`}
	case status == http.StatusRequestEntityTooLarge:
		return notice{"Too large", "The form is larger than we accept.", "Nothing was done. Go back and try again with less."}
	case status == http.StatusMethodNotAllowed:
		return notice{"Nothing to see here", "This address is not a page.", `<a href="/">To the start page</a>`}
	}
	return notice{"That did not work", "Something went wrong on our side.", `<a href="/">To the start page</a>`}
}

const pageHead = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
	`<meta name="color-scheme" content="light dark">`

// html returns the notice as a page, or as the part of a page that a library replaces.
func (n notice) html(r *http.Request, v view) []byte {
	words := `<h1>` + n.title + `</h1><p>` + n.text + `</p><p>` + n.then + `</p>`
	switch v {
	case viewHTMX:
		return []byte(`<p role="alert"><strong>` + n.title + `.</strong> ` + n.text + `</p>`)
	case viewFrame: // without the frame's element, Turbo would show "Content missing"
		words = `<turbo-frame id="` + html.EscapeString(header(r, "Turbo-Frame")) + `">` + words + `</turbo-frame>`
	}
	return []byte(pageHead + `<title>` + n.title + `</title><main>` + words + `</main></html>` + "\n")
}

// redirectPage returns a page that Turbo loads as a whole page instead of a frame
// (turbo-visit-control), and that redirects to url at once. n gives the reason.
func redirectPage(n notice, url string) []byte {
	url = html.EscapeString(url)
	return []byte(pageHead + `<meta name="turbo-visit-control" content="reload"><meta http-equiv="refresh" content="0;url=` + url + `">` +
		`<title>` + n.title + `</title><main><h1>` + n.title + `</h1><p>` + n.text + `</p><p><a href="` + url + `">` + n.title + `</a></p></main></html>` + "\n")
}
