package storetest

import "syscall"

// DieWithParent returns attributes that make the kernel kill a process when the test
// binary dies.
func DieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
