// Package remediation changes things on the machine, but only by the scripts that its owner
// has put into one directory.
package remediation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
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
// do what the agent can: that is for its owner to keep right.
type Scripts struct {
	path string
	root *os.Root
}

// OpenScripts opens the directory. It is opened once, so that nobody puts another one in
// its place later.
func OpenScripts(path string) (*Scripts, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("finding the directory of the scripts: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("opening the directory of the scripts: %w", err)
	}
	return &Scripts{path: path, root: root}, nil
}

// Close lets go of the directory.
func (s *Scripts) Close() { _ = s.root.Close() }

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
	if err := s.allows(wanted.Name); err != nil {
		return agent.Result{}, err
	}
	ended, err := process.Run(ctx, process.Program{
		Path: filepath.Join(s.path, wanted.Name), Args: wanted.Args, Dir: s.path,
		Env: []string{"FIELDGATE_COMMAND_ID=" + command.ID, "FIELDGATE_REQUEST_ID=" + command.RequestID},
	})
	result := agent.Result{Output: ended.Output, Data: map[string]any{"exitCode": ended.Code}}
	if err == nil && ended.Code != 0 {
		err = agent.Fail("exit_code", "the script ended with %s", ended.State)
	}
	return result, err
}

// allows tells whether there is such a script: a regular file that may be executed, and no
// link to somewhere else.
func (s *Scripts) allows(name string) error {
	info, err := s.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return agent.Fail("unknown_script", "there is no such script on this device")
	case err != nil:
		return agent.Fail("script_unusable", "looking at the script: %w", err)
	case !info.Mode().IsRegular():
		return agent.Fail("script_unusable", "this is not a regular file")
	case info.Mode().Perm()&0o111 == 0:
		return agent.Fail("script_unusable", "the script may not be executed")
	case info.Mode().Perm()&0o002 != 0:
		return agent.Fail("script_unusable", "everybody may write to the script, so it is not run")
	}
	return nil
}
