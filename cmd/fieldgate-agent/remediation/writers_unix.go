//go:build unix

package remediation

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// othersWrite is a mask of the mode bits that let the group or all users write. If a file has
// an access control list, the group bits are the maximum that the list grants (acl(5)).
const othersWrite = 0o022

// errWriters is the error for a file or directory that other users may write to.
var errWriters = errors.New("users other than root and the agent's own user may write to it")

// checkWriters returns an error unless only root and the agent's own user may write to a file
// or directory. The owner must be root or the agent's user too, because the owner can change
// the mode.
func checkWriters(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	owner := int(info.Sys().(*syscall.Stat_t).Uid)
	if owner != 0 && owner != os.Geteuid() {
		return fmt.Errorf("%w: its owner is user %d", errWriters, owner)
	}
	if mode := info.Mode().Perm(); mode&othersWrite != 0 {
		return fmt.Errorf("%w: its mode is %#o", errWriters, mode)
	}
	return nil
}
