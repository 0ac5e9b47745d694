package remediation

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// othersWrite is the bits of a mode with which the group or all users may write. If a file has
// an access control list, the group bits show its maximum (acl(5)).
const othersWrite = 0o022

// errWriters is the error for a file or directory that other users may write to.
var errWriters = errors.New("users other than root and the agent's own user may write to it")

// checkWriters returns an error unless only root and the agent's own user may write to a file
// or directory. One of them must own it, because the owner can change its mode.
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
