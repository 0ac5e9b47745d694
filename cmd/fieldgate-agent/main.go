// Command fieldgate-agent turns a Linux machine into a device of a Fieldgate gateway. It runs
// diagnostics, and scripts that the owner of the machine allows.
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

// settings are read from flags or from environment variables.
type settings struct {
	URL            string `name:"url" env:"FIELDGATE_URL" required:"" help:"URL of the gateway, such as https://gateway.example.com."`
	State          string `env:"FIELDGATE_STATE" required:"" placeholder:"FILE" help:"File with the identity of this device; the journal is stored beside it."`
	ActivationCode string `env:"FIELDGATE_ACTIVATION_CODE" placeholder:"CODE" help:"Activation code that registers the device; ignored once it is registered."`
	Scripts        string `env:"FIELDGATE_SCRIPTS" placeholder:"DIR" help:"Directory of the scripts that remediation.run_script may run; without it, none may."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

// Exit codes. After exitTemporary, a service manager may restart the program. After
// exitPermanent, an operator must change something before a restart helps.
const (
	exitTemporary = 1
	exitPermanent = 2
)

func main() {
	var s settings
	kong.Parse(&s,
		kong.Name("fieldgate-agent"),
		kong.Description("Makes this machine a device of a Fieldgate gateway."),
		kong.Vars{"version": program.Version()},
		kong.Exit(exitParsing),
	)
	// Ignore SIGXFSZ, which would end the program. Then a write beyond the file size limit only
	// returns an error, as on a full disk.
	signal.Ignore(syscall.SIGXFSZ)
	if err := s.run(program.UntilSignal()); err != nil {
		fmt.Fprintln(os.Stderr, "fieldgate-agent:", err)
		os.Exit(exitCode(err))
	}
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
