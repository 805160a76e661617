package middleware_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/lucia-go/lucia/middleware"
	"github.com/lucia-go/lucia/session"
)

// The data of a user is part of the tokens, so it is checked before it is saved.
func ExampleAuth_CheckUser() {
	auth := newAuth()
	defer auth.Close()
	for _, name := range []string{"Ada", strings.Repeat("Ada ", 1000)} {
		if err := auth.CheckUser("u1", Profile{Username: name}); errors.Is(err, session.ErrUserTooLarge) {
			fmt.Println("This name is too long.")
			continue
		}
		fmt.Println("saved")
	}
	// Output:
	// saved
	// This name is too long.
}

// The status and the code of a sign-in that fails.
func ExampleStatus() {
	auth := newAuth()
	defer auth.Close()
	r := httptest.NewRequest("POST", "https://app.example/login", nil)
	_, err := auth.SignIn(httptest.NewRecorder(), r, "u1", middleware.EndsBy(time.Unix(1, 0)))
	fmt.Println(middleware.Status(err), errors.Is(err, session.CodeInvalidTerms))
	// Output: 400 true
}

// The step-up page tells people that their form was not saved. RequireRecent sends them there.
func ExampleFormUnsent() {
	page := func(w http.ResponseWriter, r *http.Request) {
		if middleware.FormUnsent(r) {
			fmt.Fprint(w, "Your changes were not saved. ")
		}
		fmt.Fprintln(w, "Please enter your password again.")
	}
	for _, url := range []string{"/step-up?next=%2Fdanger", "/step-up?next=%2Fdanger&unsent=1"} {
		w := httptest.NewRecorder()
		page(w, httptest.NewRequest("GET", url, nil))
		fmt.Print(w.Body)
	}
	// Output:
	// Please enter your password again.
	// Your changes were not saved. Please enter your password again.
}
