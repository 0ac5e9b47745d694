package site

import "syscall"

// dieWithParent returns attributes that make the kernel kill a process when this program dies.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
