// Package process runs programs without a shell, with a minimal environment and with limited
// output. It leaves no processes behind.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"sync"
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

	Live io.Writer // also receives the output while the program runs, and must not block; default: nil, none
}

// A Result describes how a program ended.
type Result struct {
	Output string // stdout and stderr in the order of arrival; if too long, its middle is omitted
	Code   int    // exit code, or -1 if a signal ended the program
	State  string // exit status as text, such as "exit status 1"
}

// Run runs a program and waits until it has ended. Only one program runs at a time. When ctx
// ends, Run sends SIGTERM to the process group of the program, and SIGKILL three seconds later.
// Run then returns the error of ctx, or a Failure with the code not_stopped if the program still
// runs two seconds after SIGKILL. After the program has ended, Run kills all remaining
// descendants of the program, even those that have left the process group. If the program
// fails, Run returns no error, and Result has the exit code. If the program cannot be run, the
// error is an agent.Failure.
func Run(ctx context.Context, p Program) (Result, error) {
	var output outputBuffer
	command := exec.CommandContext(ctx, p.Path, p.Args...)
	writer := p.writer(&output)
	command.Dir, command.Stdout, command.Stderr = "/", writer, writer
	p.useDescriptors(command)
	command.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C.UTF-8"}, p.Env...)
	useProcessGroup(command)
	err := runAlone(ctx, command)
	result := Result{Output: output.String(), Code: -1}
	if failure, stuck := errors.AsType[*agent.Failure](err); stuck {
		return result, failure
	}
	if command.ProcessState != nil {
		result.Code, result.State = command.ProcessState.ExitCode(), command.ProcessState.String()
	}
	return result, runError(ctx, err)
}

// writer returns the writer for the output of the program.
func (p Program) writer(output *outputBuffer) io.Writer {
	if p.Live == nil {
		return output
	}
	return io.MultiWriter(output, p.Live)
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
	command.Cancel = func() error { return terminateGroup(command) }
	command.WaitDelay = killAfter
}

// turn holds an element while a program runs, so that all children of the agent belong to this
// program, or are stuck.
var turn = make(chan struct{}, 1)

// stopTimeout limits the time for which Run waits after the end of the context. A program gets
// SIGKILL after killAfter, but the agent cannot kill a program with more rights than its own, nor
// one that hangs in the kernel.
const stopTimeout = killAfter + 2*time.Second

// runAlone runs command while no other command runs. Then it kills all processes that command
// has left behind. If ctx ends before it is the turn of command, runAlone returns its error. If
// command does not stop after the end of ctx, runAlone returns a Failure with the code
// not_stopped, and leaves command behind. Other programs can then run beside it.
func runAlone(ctx context.Context, command *exec.Cmd) error {
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-turn }()
	becomeSubreaper()
	pid, ended := make(chan int, 1), make(chan error, 1)
	go func() { ended <- runOnOneThread(command, pid) }()
	err, stopped := awaitEnd(ctx, ended)
	if !stopped {
		abandon(pid, ended)
		return agent.Fail("not_stopped", "%v; the program does not stop and still runs: the agent may not kill it, or it hangs in the kernel", ctx.Err())
	}
	killGroup(command)
	killOrphans(isStuck)
	return err
}

// awaitEnd waits for the end of a program, but not longer than stopTimeout after the end of ctx.
func awaitEnd(ctx context.Context, ended <-chan error) (err error, stopped bool) {
	select {
	case err := <-ended:
		return err, true
	case <-ctx.Done():
	}
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err, true
	case <-timer.C:
		return nil, false
	}
}

// stuck holds the IDs of the programs that did not stop. killOrphans does not wait for them.
var stuck sync.Map

func isStuck(pid int) bool {
	_, found := stuck.Load(pid)
	return found
}

// abandon leaves a program behind until it ends by itself. pid has its ID, unless starting it hangs.
func abandon(pid <-chan int, ended <-chan error) {
	select {
	case id := <-pid:
		stuck.Store(id, true)
		go func() {
			<-ended
			stuck.Delete(id)
		}()
	default:
	}
}

// runOnOneThread runs command, and sends its ID to pid once it has started. It keeps the OS thread
// that starts the program alive until the program has ended, because the end of that thread makes
// the kernel kill the program (PR_SET_PDEATHSIG).
func runOnOneThread(command *exec.Cmd, pid chan<- int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := command.Start(); err != nil {
		return err
	}
	pid <- command.Process.Pid
	return command.Wait()
}
