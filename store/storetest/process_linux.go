package storetest

import "syscall"

// DieWithParent returns attributes by which the kernel kills a process when the test
// binary dies.
func DieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
