//go:build unix

package listen

import (
	"io/fs"
	"syscall"
)

// restrict sets the mode of a socket before it is bound. A system that cannot do so refuses it, and
// the mode is then set when the file exists.
func restrict(fd uintptr, mode fs.FileMode) { _ = syscall.Fchmod(int(fd), uint32(mode.Perm())) }
