//go:build unix

package process

import (
	"os/exec"
	"syscall"
)

// terminateGroup sends SIGTERM to the process group of command.
func terminateGroup(command *exec.Cmd) error {
	return syscall.Kill(-command.Process.Pid, syscall.SIGTERM)
}

// killGroup kills the process group of command, if command was started.
func killGroup(command *exec.Cmd) {
	if command.Process != nil {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}
}
