//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package agent

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockState does nothing, because lockFile locks the journal itself.
func lockState(string) (unlock func(), err error) { return func() {}, nil }

// lockFile locks an open file for this process. It returns ErrInUse if another process holds the
// lock. The file may be opened for reading only. The kernel releases the lock when the file is
// closed or the process ends, even after a crash.
func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%w: %s is locked", ErrInUse, file.Name())
	}
	if err != nil {
		return fmt.Errorf("agent: locking %s: %w", file.Name(), err)
	}
	return nil
}

// replaceOpen renames file to path, and closes the old file at path. It returns the open file
// that is then at path. The lock of file is never released.
func replaceOpen(old, file *os.File, path string) (*os.File, error) {
	if err := os.Rename(file.Name(), path); err != nil {
		return old, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	_ = old.Close()
	return file, nil
}
