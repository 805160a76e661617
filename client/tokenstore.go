package client

import "context"

// TokenStore keeps one client's session between runs of a program, for instance in a file
// ([FileStore]) or in the system's key ring. What it keeps must be protected like a password.
//
// All methods are safe for concurrent use and return soon after ctx ends.
type TokenStore interface {
	// Lock waits until the lock is free and takes it. The lock is shared by all users of the same
	// place, in this process and in others. The client holds it while it refreshes, signs in and
	// signs out, so that two runs of a program do not overwrite each other's newer tokens. unlock
	// is called once.
	Lock(ctx context.Context) (unlock func(), err error)

	// Load returns what was saved last, or nil if nothing is saved. It is called with the lock
	// held.
	Load(ctx context.Context) ([]byte, error)

	// Save replaces what is saved. After a success Load returns data; after a failure it returns
	// what it returned before, and never a part of either. Nil data removes what is saved;
	// removing nothing is not an error. Other data are never empty. Save is called with the lock
	// held.
	Save(ctx context.Context, data []byte) error
}
