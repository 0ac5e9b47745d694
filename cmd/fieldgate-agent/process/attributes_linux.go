package process

import "syscall"

// attributes returns the attributes of a program. The program leads its own process group. The
// kernel kills the program when the agent dies, so that it does not continue without
// supervision.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
