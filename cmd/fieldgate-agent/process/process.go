// Package process runs programs without a shell, with a minimal environment and with limited
// output. It leaves no processes behind.
package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// killAfter is the time between SIGTERM and SIGKILL.
const killAfter = 3 * time.Second

// A Program is a program to run, with its arguments and environment.
type Program struct {
	Path string   // path or name of the program, passed to it as argv[0]
	File *os.File // the opened program file; if not nil, it is run instead of the file at Path
	Args []string
	Dir  *os.File // the opened working directory; default: the root directory
	Env  []string // variables to set besides PATH, HOME and LANG
}

// A Result describes how a program ended.
type Result struct {
	Output string // stdout and stderr in the order of arrival; if too long, its middle is omitted
	Code   int    // exit code, or -1 if a signal ended the program
	State  string // exit status as text, such as "exit status 1"
}

// Run runs a program and waits until it has ended. Only one program runs at a time. When ctx
// ends, Run sends SIGTERM to the process group of the program, and SIGKILL three seconds later.
// Run then returns the error of ctx. After the program has ended, Run kills all remaining
// descendants of the program, even those that have left the process group. If the program
// fails, Run returns no error, and Result has the exit code. If the program cannot be run, the
// error is an agent.Failure.
func Run(ctx context.Context, p Program) (Result, error) {
	var output outputBuffer
	command := exec.CommandContext(ctx, p.Path, p.Args...)
	command.Dir, command.Stdout, command.Stderr = "/", &output, &output
	p.useDescriptors(command)
	command.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C.UTF-8"}, p.Env...)
	useProcessGroup(command)
	err := runAlone(command)
	result := Result{Output: output.String(), Code: -1}
	if command.ProcessState != nil {
		result.Code, result.State = command.ProcessState.ExitCode(), command.ProcessState.String()
	}
	return result, runError(ctx, err)
}

// useDescriptors makes command run the opened file in the opened directory, because the paths
// may refer to other files by now. Descriptor 3 stays open in the program, because an
// interpreter reads the script from it.
func (p Program) useDescriptors(command *exec.Cmd) {
	if p.File != nil {
		command.Path, command.ExtraFiles, command.Err = "/proc/self/fd/3", []*os.File{p.File}, nil
	}
	if p.Dir != nil {
		command.Dir = fmt.Sprintf("/proc/self/fd/%d", p.Dir.Fd())
	}
}

// runError converts err, the error with which the command ended, to the error that Run returns.
func runError(ctx context.Context, err error) error {
	var exited *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil, errors.As(err, &exited), errors.Is(err, exec.ErrWaitDelay):
		return nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return agent.Fail("not_available", "the program or its interpreter is not installed on this device: %w", err)
	case errors.Is(err, os.ErrPermission):
		return agent.Fail("not_permitted", "the agent may not run the program: %w", err)
	}
	return agent.Fail("not_started", "the program could not be started: %w", err)
}

// useProcessGroup makes command lead a process group. When the context of command ends, the
// group gets SIGTERM.
func useProcessGroup(command *exec.Cmd) {
	command.SysProcAttr = attributes()
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
	command.WaitDelay = killAfter
}

// killGroup kills the process group of command, if command was started.
func killGroup(command *exec.Cmd) {
	if command.Process != nil {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}
}

// runMu is held while a program runs, so that all children of the agent belong to this program.
var runMu sync.Mutex

// runAlone runs command while no other command runs. Then it kills all processes that command
// has left behind.
func runAlone(command *exec.Cmd) error {
	runMu.Lock()
	defer runMu.Unlock()
	becomeSubreaper()
	defer killOrphans()
	defer killGroup(command)
	return runOnOneThread(command)
}

// runOnOneThread runs command. It keeps the OS thread that starts the program alive until the
// program has ended, because the end of that thread makes the kernel kill the program
// (PR_SET_PDEATHSIG).
func runOnOneThread(command *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return command.Run()
}
