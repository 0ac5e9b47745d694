// Package remediation changes things on the machine, but only by the scripts that its owner
// has put into one directory.
package remediation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/process"
)

// Bounds of what may be asked for.
const (
	maxName    = 64
	maxArgs    = 32
	maxArg     = 1024
	longestRun = time.Hour
)

// Scripts is the directory with the scripts. Whoever can write to it, or to its files, can
// do what the agent can, so that may be nobody but root and the agent's own user.
type Scripts struct {
	root *os.Root
	dir  *os.File // the same directory, to work in
}

// OpenScripts opens the directory. It is opened once and used by its descriptor, so that
// nobody puts another one in its place later. It is an error if others may write to it.
func OpenScripts(path string) (*Scripts, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("opening the directory of the scripts: %w", err)
	}
	dir, err := root.Open(".")
	if err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("opening the directory of the scripts: %w", err)
	}
	s := &Scripts{root: root, dir: dir}
	if err := checkWriters(dir); err != nil {
		s.Close()
		return nil, fmt.Errorf("the directory of the scripts, %s: %w", path, err)
	}
	return s, nil
}

// Close lets go of the directory.
func (s *Scripts) Close() {
	_ = s.dir.Close()
	_ = s.root.Close()
}

// Register makes the scripts something that the device can do.
func (s *Scripts) Register(device *agent.Agent) {
	device.Handle("remediation.run_script", s.run, agent.Timeout(longestRun))
}

// script is what may be asked for.
type script struct {
	Name string   `json:"name"`
	Args []string `json:"args"`
}

// plainName is a name that is neither hidden nor a path.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

func (w script) check() error {
	if len(w.Name) > maxName || !plainName.MatchString(w.Name) {
		return agent.Fail(agent.CodeInvalidParameters, "name must be the plain name of a script, of at most %d letters, digits, '.', '_' and '-'", maxName)
	}
	if len(w.Args) > maxArgs {
		return agent.Fail(agent.CodeInvalidParameters, "there may be at most %d args", maxArgs)
	}
	for _, arg := range w.Args {
		if len(arg) > maxArg || strings.ContainsRune(arg, 0) {
			return agent.Fail(agent.CodeInvalidParameters, "each of the args may have at most %d bytes, and no zero byte", maxArg)
		}
	}
	return nil
}

// run runs a script with its args as they are: no shell reads them.
func (s *Scripts) run(ctx context.Context, command agent.Command) (agent.Result, error) {
	wanted, err := agent.Parameters[script](command)
	if err != nil {
		return agent.Result{}, err
	}
	if err := wanted.check(); err != nil {
		return agent.Result{}, err
	}
	file, err := s.open(wanted.Name)
	if err != nil {
		return agent.Result{}, err
	}
	defer file.Close()
	ended, err := process.Run(ctx, process.Program{
		Path: wanted.Name, File: file, Args: wanted.Args, Dir: s.dir,
		Env: []string{"FIELDGATE_COMMAND_ID=" + command.ID, "FIELDGATE_REQUEST_ID=" + command.RequestID},
	})
	result := agent.Result{Output: ended.Output, Data: map[string]any{"exitCode": ended.Code}}
	if err == nil && ended.Code != 0 {
		err = agent.Fail("exit_code", "the script ended with %s", ended.State)
	}
	return result, err
}

// open opens a script: a regular file, and no link to somewhere else. What was opened is
// what is checked and what is run.
func (s *Scripts) open(name string) (*os.File, error) {
	info, err := s.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, agent.Fail("unknown_script", "there is no such script on this device")
	case err != nil:
		return nil, agent.Fail("script_unusable", "looking at the script: %w", err)
	case !info.Mode().IsRegular():
		return nil, agent.Fail("script_unusable", "this is not a regular file")
	}
	file, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, agent.Fail("script_unusable", "opening the script: %w", err)
	}
	if err := s.check(file); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// check tells whether an opened script may be run. The directory is looked at again: its
// mode may be another one by now.
func (s *Scripts) check(file *os.File) error {
	info, err := file.Stat()
	switch {
	case err != nil:
		return agent.Fail("script_unusable", "looking at the script: %w", err)
	case !info.Mode().IsRegular():
		return agent.Fail("script_unusable", "this is not a regular file")
	case info.Mode().Perm()&0o111 == 0:
		return agent.Fail("script_unusable", "the script may not be executed")
	}
	if err := checkWriters(file); err != nil {
		return agent.Fail("script_unusable", "the script is not run: %w", err)
	}
	if err := checkWriters(s.dir); err != nil {
		return agent.Fail("script_unusable", "the scripts of this directory are not run: %w", err)
	}
	return nil
}
