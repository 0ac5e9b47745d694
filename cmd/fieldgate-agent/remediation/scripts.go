// Package remediation runs the scripts that the owner of the machine has put into one
// directory. It changes nothing else on the machine.
package remediation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/process"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/settings"
)

// Limits on the parameters and on the run time of a script.
const (
	maxName    = 64
	maxArgs    = 32
	maxArg     = 1024
	maxRuntime = time.Hour
)

// Scripts is the directory of the scripts. A user who can write to the directory or its files
// can do everything that the agent can. Therefore only root and the agent's own user may have
// write permission.
type Scripts struct {
	root *os.Root
	dir  *os.File // the same directory as in the field root, for use as the working directory
}

// errLinuxOnly is the error of OpenScripts on systems that cannot run a script by its descriptor.
var errLinuxOnly = errors.New("scripts run on Linux only: unset the directory of the scripts")

// OpenScripts opens the directory of the scripts. It returns an error if other users may write
// to the directory, and on systems other than Linux. The opened directory stays in use even if path
// later refers to another directory.
func OpenScripts(path string) (*Scripts, error) {
	if runtime.GOOS != "linux" {
		return nil, errLinuxOnly
	}
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

// Close closes the directory.
func (s *Scripts) Close() {
	_ = s.dir.Close()
	_ = s.root.Close()
}

// The command types of the scripts.
const (
	runType   = "remediation.run_script"
	spaceType = "remediation.free_space"
)

// spaceScript is the name of the script that remediation.free_space runs.
const spaceScript = "free-space"

// Register registers the handlers of runType and spaceType.
func (s *Scripts) Register(device *agent.Agent) {
	device.Handle(runType, s.run, agent.Timeout(maxRuntime), agent.AfterRestart(s.afterRestart))
	device.Handle(spaceType, s.freeSpace, agent.Timeout(maxRuntime), agent.FreesSpace())
}

// parameters are the parameters of remediation.run_script.
type parameters struct {
	Name string   `json:"name"`
	Args []string `json:"args"`
}

// scriptName matches names that are not hidden and contain no slash.
var scriptName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

func (p parameters) check() error {
	if len(p.Name) > maxName || !scriptName.MatchString(p.Name) {
		return agent.Fail(agent.CodeInvalidParameters, "name must be the name of a script, of at most %d letters, digits, '.', '_' and '-'", maxName)
	}
	if len(p.Args) > maxArgs {
		return agent.Fail(agent.CodeInvalidParameters, "args must have at most %d items", maxArgs)
	}
	for _, arg := range p.Args {
		if len(arg) > maxArg || strings.ContainsRune(arg, 0) {
			return agent.Fail(agent.CodeInvalidParameters, "each item of args must have at most %d bytes and no zero byte", maxArg)
		}
	}
	return nil
}

// run runs a script. It passes the arguments unchanged: no shell interprets them.
func (s *Scripts) run(ctx context.Context, command agent.Command) (agent.Result, error) {
	params, err := agent.Parameters[parameters](command)
	if err != nil {
		return agent.Result{}, err
	}
	if err := params.check(); err != nil {
		return agent.Result{}, err
	}
	if err := s.continueAfter(ctx, params.Name); err != nil {
		return agent.Result{}, err
	}
	return s.execute(ctx, command, params)
}

// freeSpace handles remediation.free_space {}. It runs the script that the owner of the machine
// has written to free space on a full disk.
func (s *Scripts) freeSpace(ctx context.Context, command agent.Command) (agent.Result, error) {
	if _, err := agent.Parameters[struct{}](command); err != nil {
		return agent.Result{}, err
	}
	return s.execute(ctx, command, parameters{Name: spaceScript})
}

// environment returns the variables with which a script learns which command runs it.
func environment(command agent.Command) []string {
	env := []string{settings.CommandID + "=" + command.ID, settings.RequestID + "=" + command.RequestID}
	if command.Traceparent != "" {
		env = append(env, settings.Trace+"="+command.Traceparent)
	}
	return env
}

// execute runs a script with valid parameters. env has variables for the script.
func (s *Scripts) execute(ctx context.Context, command agent.Command, params parameters, env ...string) (agent.Result, error) {
	file, err := s.open(params.Name)
	if err != nil {
		return agent.Result{}, err
	}
	defer file.Close()
	result, err := process.Run(ctx, process.Program{
		Path: params.Name, File: file, Args: params.Args, Dir: s.dir, Live: agent.Output(ctx),
		Env: append(env, environment(command)...),
	})
	data := map[string]any{"exitCode": result.Code}
	if err == nil && result.Code != 0 {
		err = agent.Fail("exit_code", "the script ended with %s", result.State)
	}
	return agent.Result{Output: result.Output, Data: data}, err
}

// open opens a script. The script must be a regular file and not a link. The checks apply to
// the opened file, which is also the file that is run.
func (s *Scripts) open(name string) (*os.File, error) {
	info, err := s.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, agent.Fail("unknown_script", "there is no script of this name on this device")
	case err != nil:
		return nil, agent.Fail("script_unusable", "reading the attributes of the script: %w", err)
	case !info.Mode().IsRegular():
		return nil, agent.Fail("script_unusable", "the script is not a regular file")
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

// check returns an error unless the opened script may be run. It checks the directory again,
// because the owner or mode may have changed since OpenScripts.
func (s *Scripts) check(file *os.File) error {
	info, err := file.Stat()
	switch {
	case err != nil:
		return agent.Fail("script_unusable", "reading the attributes of the script: %w", err)
	case !info.Mode().IsRegular():
		return agent.Fail("script_unusable", "the script is not a regular file")
	case info.Mode().Perm()&0o111 == 0:
		return agent.Fail("script_unusable", "the script is not executable")
	}
	if err := checkWriters(file); err != nil {
		return agent.Fail("script_unusable", "the script is not trusted: %w", err)
	}
	if err := checkWriters(s.dir); err != nil {
		return agent.Fail("script_unusable", "the directory of the scripts is not trusted: %w", err)
	}
	return nil
}
