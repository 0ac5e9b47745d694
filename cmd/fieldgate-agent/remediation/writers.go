package remediation

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Bits of a mode with which a group, or everybody, may write. An access list shows in those
// of the group (acl(5)).
const othersWrite = 0o022

// errWriters is why something is not trusted.
var errWriters = errors.New("others than root and the agent's own user may write to it")

// checkWriters tells whether only root and the agent's own user may write to a file or
// directory, or let others do so, which its owner can.
func checkWriters(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	owner := int(info.Sys().(*syscall.Stat_t).Uid)
	if owner != 0 && owner != os.Geteuid() {
		return fmt.Errorf("%w: its owner is the user %d", errWriters, owner)
	}
	if mode := info.Mode().Perm(); mode&othersWrite != 0 {
		return fmt.Errorf("%w: its mode is %#o", errWriters, mode)
	}
	return nil
}
