package process

import "syscall"

// attributes returns the attributes of a program: it leads a process group of its own, and is
// killed when the agent dies, so that it does not go on unobserved.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
