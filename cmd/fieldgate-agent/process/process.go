// Package process runs programs of the machine under a bound: no shell, a small
// environment, output of a limited size, and nothing left behind.
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

// killAfter is how long a program has to end by itself once it is asked to.
const killAfter = 3 * time.Second

// Program is what to run.
type Program struct {
	Path string
	File *os.File // default: what Path names now; else this is run as it was opened
	Args []string
	Dir  *os.File // default: the root directory
	Env  []string // besides PATH, HOME and LANG
}

// Ended is how a program ended.
type Ended struct {
	Output string // both streams, as they came; the middle is left out where it is too much
	Code   int    // -1 if a signal ended it
	State  string // in words
}

// Run runs a program to its end, one at a time. When the context ends, the program and its
// process group are asked to end, and killed three seconds later; the error is then that of
// the context. Whatever the program has started and left is killed at the end, also what has
// left the group. That the program fails is no error.
func Run(ctx context.Context, p Program) (Ended, error) {
	var output tail
	command := exec.CommandContext(ctx, p.Path, p.Args...)
	command.Dir, command.Stdout, command.Stderr = "/", &output, &output
	p.useOpened(command)
	command.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C.UTF-8"}, p.Env...)
	group(command)
	err := runAlone(command)
	ended := Ended{Output: output.String(), Code: -1}
	if command.ProcessState != nil {
		ended.Code, ended.State = command.ProcessState.ExitCode(), command.ProcessState.String()
	}
	return ended, failure(ctx, err)
}

// useOpened has the program run, and work in, what was opened before: the paths may lead
// elsewhere by now. It keeps its descriptor, 3, for that is where an interpreter reads it.
func (p Program) useOpened(command *exec.Cmd) {
	if p.File != nil {
		command.Path, command.ExtraFiles, command.Err = "/proc/self/fd/3", []*os.File{p.File}, nil
	}
	if p.Dir != nil {
		command.Dir = fmt.Sprintf("/proc/self/fd/%d", p.Dir.Fd())
	}
}

// failure makes of how a run ended what is to be reported.
func failure(ctx context.Context, err error) error {
	var exited *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil, errors.As(err, &exited), errors.Is(err, exec.ErrWaitDelay):
		return nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return agent.Fail("not_available", "the program, or what runs it, is not on this device: %w", err)
	case errors.Is(err, os.ErrPermission):
		return agent.Fail("not_permitted", "the agent may not run the program: %w", err)
	}
	return agent.Fail("not_started", "the program could not be run: %w", err)
}

// group makes the program the head of a process group, which ends with the context.
func group(command *exec.Cmd) {
	command.SysProcAttr = attributes()
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
	command.WaitDelay = killAfter
}

// killGroup ends what the program has left running.
func killGroup(command *exec.Cmd) {
	if command.Process != nil {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}
}

// alone is held while a program runs. What the agent is the parent of can then only be that
// program, and what it has left.
var alone sync.Mutex

// runAlone runs a program and ends whatever it has left running, wherever that has put
// itself.
func runAlone(command *exec.Cmd) error {
	alone.Lock()
	defer alone.Unlock()
	adopt()
	defer endLeftovers()
	defer killGroup(command)
	return runOnOneThread(command)
}

// runOnOneThread keeps the thread that starts the program until the program has ended: for
// the kernel, the parent whose death it dies of is that thread.
func runOnOneThread(command *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return command.Run()
}
