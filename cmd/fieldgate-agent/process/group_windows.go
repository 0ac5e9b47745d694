package process

import (
	"os/exec"
	"strconv"
	"syscall"
)

// attributes returns the attributes of a program. Signals for the console of the agent do not
// reach the program.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP, HideWindow: true}
}

// terminateGroup ends a program and all its descendants. Windows has no SIGTERM for programs
// without a console, so they are killed.
func terminateGroup(command *exec.Cmd) error {
	return exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(command.Process.Pid)).Run()
}

// killGroup does nothing: after the program has ended, Windows does not record whose child a
// process was.
func killGroup(*exec.Cmd) {}
