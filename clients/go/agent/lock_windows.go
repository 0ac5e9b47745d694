package agent

import (
	"errors"
	"fmt"
	"syscall"
)

// errorSharingViolation is ERROR_SHARING_VIOLATION: another process has the file open and does
// not share it.
const errorSharingViolation = syscall.Errno(32)

// lock locks the file at path for this process, so that no second agent uses the state file. It
// opens the file in exclusive mode, and returns ErrInUse if another process has the file open.
// Windows closes the file when the process ends, even after a crash.
func lock(path string) (unlock func(), err error) {
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
