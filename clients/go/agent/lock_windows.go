package agent

import (
	"errors"
	"fmt"
	"syscall"
)

// errorSharingViolation is ERROR_SHARING_VIOLATION: somebody has the file open and shares
// it with nobody.
const errorSharingViolation = syscall.Errno(32)

// lock makes this process the only one with a state file, by opening the lock so that nobody
// else can. The system closes it when the process ends, however it ends.
func lock(path string) (unlock func(), err error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, fmt.Errorf("agent: opening the lock: %w", err)
	}
	const shareWithNobody = 0
	file, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, shareWithNobody, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errorSharingViolation) {
		return nil, fmt.Errorf("%w: %s is locked", ErrInUse, path)
	}
	if err != nil {
		return nil, fmt.Errorf("agent: opening the lock %s: %w", path, err)
	}
	return func() { _ = syscall.CloseHandle(file) }, nil
}
