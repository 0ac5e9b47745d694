package storetest

import "syscall"

// DieWithParent has the kernel end a process when the test binary is killed.
func DieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
