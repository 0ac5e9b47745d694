// Command fieldgate-agent turns a machine into a device of a Fieldgate gateway. It runs
// diagnostics, and scripts that the owner of the machine allows.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/alecthomas/kong"

	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/diagnostics"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/remediation"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/settings"
	"github.com/fieldgate/fieldgate/cmd/program"
	"github.com/fieldgate/fieldgate/cmd/program/manual"
)

// Exit codes. After exitTemporary, a service manager may restart the program. After
// exitPermanent, an operator must change something before a restart helps.
const (
	exitTemporary = 1
	exitPermanent = 2
)

// commands are the subcommands of the program, and the settings that all of them share.
type commands struct {
	settings.Settings

	Run    runCommand    `cmd:"" default:"1" help:"Run the device. This is the default."`
	Doctor doctorCommand `cmd:"" help:"Check the settings, the disk, the clock and the way to the gateway, and print how to mend what is wrong."`
	Adopt  adoptCommand  `cmd:"" help:"Keep the identity of a disk that was moved to this machine, after the other machine is out of service."`
	Reset  resetCommand  `cmd:"" help:"Forget the identity of this device, so that it can register again with a new activation code."`

	Completion manual.Completion `cmd:"" help:"Print the completions for a shell."`
	Man        manual.Page       `cmd:"" hidden:"" help:"Print the manual page."`
}

func main() {
	selected, s := parse(os.Args[1:])
	ignoreFileSizeSignal()
	selected.BindTo(program.UntilSignal(), (*context.Context)(nil))
	if err := selected.Run(s); err != nil {
		fmt.Fprintln(os.Stderr, "fieldgate-agent:", err)
		os.Exit(exitCode(err))
	}
}

// parse returns the selected command and the settings. It ends the program if they are invalid, or
// if the name of a variable is similar to that of a setting.
func parse(args []string) (*kong.Context, settings.Settings) {
	var c commands
	var names []string
	parser := kong.Must(&c,
		kong.Name("fieldgate-agent"),
		kong.Description("Makes this machine a device of a Fieldgate gateway."),
		kong.Vars{"version": program.Version()},
		kong.Exit(exitParsing),
		kong.Configuration(func(r io.Reader) (kong.Resolver, error) {
			values, err := parseFile(r, names)
			return resolver(values), err
		}),
	)
	names = program.SettingNames(parser.Model.Node)
	selected, err := parser.Parse(args)
	parser.FatalIfErrorf(cmp.Or(program.CheckSpelling(os.Environ(), names), err))
	return selected, c.Settings
}

// exitParsing ends the program. The code is 0 after --help or --version, and exitPermanent
// after invalid settings.
func exitParsing(code int) {
	if code != 0 {
		code = exitPermanent
	}
	os.Exit(code)
}

// errSettings is the error for invalid settings. A restart does not help.
var errSettings = errors.New("the settings are invalid")

// These keep the agent small, because devices have little memory and an idle agent makes little garbage: the
// garbage collector runs early, and what it has freed is returned to the system.
const (
	gcPercent   = 25
	returnEvery = time.Minute
)

// saveMemory configures the Go runtime to use little memory, unless GOGC is set. Until ctx ends, it returns freed
// memory, which takes about a millisecond.
func saveMemory(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(gcPercent)
	go func() {
		ticker := time.NewTicker(returnEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				debug.FreeOSMemory()
			}
		}
	}()
}

// runCommand runs the device.
type runCommand struct{}

// Run runs the device until ctx ends.
func (runCommand) Run(ctx context.Context, s settings.Settings) error {
	config, err := newConfig(s)
	if err != nil {
		return fmt.Errorf("%w: %w", errSettings, err)
	}
	device, err := agent.New(config)
	if err != nil {
		return fmt.Errorf("%w: %w", errSettings, err)
	}
	diagnostics.Register(device)
	if s.Scripts != "" {
		scripts, err := remediation.OpenScripts(s.Scripts)
		if err != nil {
			return fmt.Errorf("%w: %w", errSettings, err)
		}
		defer scripts.Close()
		scripts.Register(device)
	}
	saveMemory(ctx)
	if err := program.NotifyReady(ctx); err != nil {
		config.Logger.Warn("notifying the service manager failed", "error", err)
	}
	return device.Run(ctx)
}

// exitCode returns exitPermanent if an operator has to act before a restart helps. For other
// errors it returns exitTemporary.
func exitCode(err error) int {
	for _, permanent := range []error{errSettings, agent.ErrNotRegistered, agent.ErrCodeRefused, agent.ErrStateDamaged, agent.ErrCopied} {
		if errors.Is(err, permanent) {
			return exitPermanent
		}
	}
	return exitTemporary
}
