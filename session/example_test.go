package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lucia-go/lucia/session"
)

// What a store answers while a browser rotates its token, loses the answer, and goes on, and when
// someone presents the old token much later.
func ExampleRefresh() {
	policy := session.Policy{
		Grace: 30 * time.Second, Settle: 90 * time.Second,
		Idle: 30 * 24 * time.Hour, Lifetime: 400 * 24 * time.Hour,
	}
	now := session.InstantOf(time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC))
	rec := session.Begin(policy, now)
	first := session.Presentation{Generation: rec.Generation}

	now = now.Add(15 * time.Minute)
	outcome, rec := session.Refresh(rec, first, policy, now)
	fmt.Println(outcome, rec.Generation, outcome.Alive())

	outcome, rec = session.Refresh(rec, first, policy, now.Add(time.Second)) // the answer was lost
	fmt.Println(outcome, rec.Generation, outcome.Alive())

	handed := now.Add(time.Second)
	rec, confirmed := session.Confirm(rec, rec.Generation, handed, policy, now.Add(2*time.Minute))
	fmt.Println("confirmed:", confirmed)

	outcome, rec = session.Refresh(rec, first, policy, now.Add(10*time.Minute))
	fmt.Println(outcome, rec.Generation, outcome.Alive())
	// Output:
	// rotated 2 true
	// repeated 2 true
	// confirmed: true
	// reused 0 false
}

// The test of a LoadUser that depends on the organization that the person signed in to.
func ExampleWithTerms() {
	loadUser := func(ctx context.Context, id string) (string, error) {
		return id + " of " + session.TermsOf(ctx).Attributes["org"], nil
	}
	ctx := session.WithTerms(context.Background(), session.Terms{Attributes: map[string]string{"org": "acme"}})
	fmt.Println(loadUser(ctx, "u1"))
	// Output: u1 of acme <nil>
}

// A client of one's own reads the code of a refusal.
func ExampleParseCode() {
	body := `{"message":"AUTH_UNAUTHORIZED"}`
	var refusal struct{ Message string }
	if err := json.Unmarshal([]byte(body), &refusal); err != nil {
		fmt.Println(err)
	}
	code, known := session.ParseCode(refusal.Message)
	fmt.Println(code == session.CodeUnauthorized, known)
	// Output: true true
}

// Which ids a table of users may have.
func ExampleCheckUserID() {
	for _, id := range []string{"42", "", "\xff", strings.Repeat("9", session.MaxUserIDBytes+1)} {
		fmt.Println(errors.Is(session.CheckUserID(id), session.CodeInvalidUserID))
	}
	// Output:
	// false
	// true
	// true
	// true
}
