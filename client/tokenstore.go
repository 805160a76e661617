package client

import "context"

// TokenStore keeps one client's session between runs of a program: in a file
// ([FileStore]), in the system's key ring, where the program likes. What it
// keeps is a secret as good as a password.
//
// All methods are safe for concurrent use and return soon after ctx ends.
type TokenStore interface {
	// Lock waits until nobody else holds the lock, be it in this process or in
	// another one that uses the same place, and takes it. The client holds it
	// while it refreshes, signs in and signs out, so that two runs of a program
	// do not overwrite each other's newer tokens. unlock is called once.
	Lock(ctx context.Context) (unlock func(), err error)

	// Load returns what was saved last, nil where nothing is saved. It is called
	// with the lock held.
	Load(ctx context.Context) ([]byte, error)

	// Save replaces what is saved: afterwards Load returns data, or, where Save
	// failed, what it returned before, never a part. Nil data removes it; data are
	// never empty otherwise. Removing nothing is no error. It is called with the lock held.
	Save(ctx context.Context, data []byte) error
}
