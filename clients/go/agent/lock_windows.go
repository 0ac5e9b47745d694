package agent

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// errorSharingViolation is ERROR_SHARING_VIOLATION: another process has the file open and does
// not share it.
const errorSharingViolation = syscall.Errno(32)

// lockState locks the file path.lock for this process, so that no second agent uses the state
// file at path. It opens the file in exclusive mode, and returns ErrInUse if another process has
// the file open. No process can remove the file while it is open. Windows closes the file when the
// process ends, even after a crash.
func lockState(path string) (unlock func(), err error) {
	path += ".lock"
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, fmt.Errorf("agent: opening the lock: %w", err)
	}
	const noSharing = 0
	file, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, noSharing, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errorSharingViolation) {
		return nil, fmt.Errorf("%w: %s is locked", ErrInUse, path)
	}
	if err != nil {
		return nil, fmt.Errorf("agent: opening the lock %s: %w", path, err)
	}
	return func() { _ = syscall.CloseHandle(file) }, nil
}

// lockFile does nothing, because lockState has locked the journal.
func lockFile(*os.File) error { return nil }

// replaceOpen renames file to path, and returns it open. It closes both files first, because
// Windows cannot replace or rename an open file.
func replaceOpen(old, file *os.File, path string) (*os.File, error) {
	_, _ = old.Close(), file.Close()
	err := os.Rename(file.Name(), path)
	opened, openErr := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0o600)
	return opened, errors.Join(err, openErr)
}
