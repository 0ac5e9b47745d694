//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package agent

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock locks the file at path for this process, so that no second agent uses the state
// file. It returns ErrInUse if another process holds the lock. The kernel releases the lock
// when the process ends, even after a crash.
func lock(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("agent: opening the lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is locked", ErrInUse, path)
		}
		return nil, fmt.Errorf("agent: locking %s: %w", path, err)
	}
	return func() { _ = file.Close() }, nil
}
