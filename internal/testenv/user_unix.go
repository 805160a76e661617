//go:build unix

package testenv

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// unprivileged returns the user for a program that refuses to run as root. It is nil if the test
// does not run as root.
func unprivileged() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUser := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGroup := strconv.ParseUint(u.Gid, 10, 32)
		if errUser == nil && errGroup == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	return nil
}

// asUnprivileged returns the attributes of a process of an unprivileged user.
func asUnprivileged() *syscall.SysProcAttr { return &syscall.SysProcAttr{Credential: unprivileged()} }

// own gives a directory to that user.
func own(dir string) error {
	if u := unprivileged(); u != nil {
		return os.Chown(dir, int(u.Uid), int(u.Gid))
	}
	return nil
}
