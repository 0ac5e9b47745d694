package process

import "syscall"

// attributes also make the program die with the agent: what an agent has begun that is dead
// must not go on unseen.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
