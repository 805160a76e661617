package middleware_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// auditedStore is a store that reports sign-ins and passes all calls on to another store. A store
// that keeps sessions itself implements the six methods of session.Store; package sessiontest
// checks it in one line.
type auditedStore struct{ session.Store }

func (s auditedStore) Create(ctx context.Context, c session.CreateParams) (session.CreateResult, error) {
	r, err := s.Store.Create(ctx, c)
	fmt.Println("a session of", c.UserID, "begins:", err == nil)
	return r, err
}

// A store of your own.
func ExampleNew_ownStore() {
	auth, err := lucia.New(lucia.Config[Profile]{
		Secret:   []byte("32 random bytes from the environ"),
		Store:    auditedStore{memstore.New()},
		LoadUser: func(_ context.Context, id string) (Profile, error) { return profiles[id], nil },
	})
	if err != nil {
		panic(err)
	}
	auth.SignIn(httptest.NewRecorder(), httptest.NewRequest("POST", "/login", nil), "u1")
	// Output:
	// a session of u1 begins: true
}
