// Command fieldgate-agent makes a Linux machine a device of a Fieldgate gateway: it runs
// diagnostics, and the scripts that the owner of the machine has allowed.
package main

import (
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
	"github.com/fieldgate/fieldgate/cmd/program"
)

// settings come from flags, or from environment variables of the same names.
type settings struct {
	URL            string `name:"url" env:"FIELDGATE_URL" required:"" help:"The gateway, such as https://gateway.example.com."`
	State          string `env:"FIELDGATE_STATE" required:"" placeholder:"FILE" help:"Where the identity of this device is kept; the journal lies beside it."`
	ActivationCode string `env:"FIELDGATE_ACTIVATION_CODE" placeholder:"CODE" help:"Registers a device that has no identity yet, and is ignored after that."`
	Scripts        string `env:"FIELDGATE_SCRIPTS" placeholder:"DIR" help:"The scripts that remediation.run_script may run. Without it, there are none."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

// Exit codes. A service manager may start the program again after the first, and should
// leave it to a person after the second.
const (
	exitTrouble = 1
	exitPerson  = 2
)

func main() {
	var s settings
	kong.Parse(&s,
		kong.Name("fieldgate-agent"),
		kong.Description("Makes this machine a device of a Fieldgate gateway."),
		kong.Vars{"version": program.Version()},
		kong.Exit(exitParsing),
	)
	// A limit on the size of files is an error like a full disk, and no reason to die.
	signal.Ignore(syscall.SIGXFSZ)
	if err := s.run(program.UntilSignal()); err != nil {
		fmt.Fprintln(os.Stderr, "fieldgate-agent:", err)
		os.Exit(exitCode(err))
	}
}

// exitParsing ends the program once its settings were asked for or could not be read.
func exitParsing(code int) {
	if code != 0 {
		code = exitPerson
	}
	os.Exit(code)
}

// errSettings is what starting again with the same settings does not mend.
var errSettings = errors.New("these settings cannot be used")

// run works until the context ends.
func (s settings) run(ctx context.Context) error {
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

// exitCode tells whether starting again may help.
func exitCode(err error) int {
	for _, lasting := range []error{errSettings, agent.ErrNotRegistered, agent.ErrCodeRefused, agent.ErrStateDamaged} {
		if errors.Is(err, lasting) {
			return exitPerson
		}
	}
	return exitTrouble
}
