// Command fieldgate-agent turns a Linux machine into a device of a Fieldgate gateway. It runs
// diagnostics, and scripts that the owner of the machine allows.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/diagnostics"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/remediation"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/settings"
	"github.com/fieldgate/fieldgate/cmd/program"
)

// Exit codes. After exitTemporary, a service manager may restart the program. After
// exitPermanent, an operator must change something before a restart helps.
const (
	exitTemporary = 1
	exitPermanent = 2
)

func main() {
	s := parse()
	// Ignore SIGXFSZ, which would end the program. Then a write beyond the file size limit only
	// returns an error, as on a full disk.
	signal.Ignore(syscall.SIGXFSZ)
	if err := run(program.UntilSignal(), s); err != nil {
		fmt.Fprintln(os.Stderr, "fieldgate-agent:", err)
		os.Exit(exitCode(err))
	}
}

// parse returns the settings. It ends the program if they are invalid, or if the name of a
// variable is similar to that of a setting.
func parse() (s settings.Settings) {
	parser := kong.Must(&s,
		kong.Name("fieldgate-agent"),
		kong.Description("Makes this machine a device of a Fieldgate gateway."),
		kong.Vars{"version": program.Version()},
		kong.Exit(exitParsing),
	)
	_, err := parser.Parse(os.Args[1:])
	parser.FatalIfErrorf(cmp.Or(program.CheckSpelling(os.Environ(), program.SettingNames(parser.Model.Node)), err))
	return s
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

// run runs the device until ctx ends.
func run(ctx context.Context, s settings.Settings) error {
	device, err := agent.New(agent.Config{
		URL: s.URL, StateFile: s.State, ActivationCode: s.ActivationCode,
		Version: program.Version(), Metadata: diagnostics.Metadata(), Metrics: diagnostics.Metrics,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
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
	return device.Run(ctx)
}

// exitCode returns exitPermanent if an operator has to act before a restart helps. For other
// errors it returns exitTemporary.
func exitCode(err error) int {
	for _, permanent := range []error{errSettings, agent.ErrNotRegistered, agent.ErrCodeRefused, agent.ErrStateDamaged} {
		if errors.Is(err, permanent) {
			return exitPermanent
		}
	}
	return exitTemporary
}
