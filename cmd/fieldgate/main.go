// Command fieldgate runs the device command gateway.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/alecthomas/kong"

	"github.com/fieldgate/fieldgate/cmd/program"
)

// commands are what the program can do.
type commands struct {
	Serve serveCommand `cmd:"" help:"Run the gateway on your Redis, for the people of your Supabase project."`
	Dev   devCommand   `cmd:"" help:"Run the gateway with a store and a token issuer of its own. Nothing is kept."`
	Demo  demoCommand  `cmd:"" help:"Show the whole way of a command, on a running gateway or one of its own."`
	Token tokenCommand `cmd:"" help:"Print a customer's token for a gateway in development."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

func main() {
	var cli commands
	parsed := kong.Parse(&cli,
		kong.Name("fieldgate"),
		kong.Description("A command gateway between the people who run a fleet of devices and the devices."),
		kong.Vars{"version": program.Version()},
	)
	parsed.BindTo(program.UntilSignal(), (*context.Context)(nil))
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "fieldgate:", err)
		os.Exit(1)
	}
}
