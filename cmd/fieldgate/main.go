// Command fieldgate runs the device command gateway.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/alecthomas/kong"
	_ "golang.org/x/crypto/x509roots/fallback" // authorities for an image that has no file with them

	settingsOfAgent "github.com/fieldgate/fieldgate/cmd/fieldgate-agent/settings"
	"github.com/fieldgate/fieldgate/cmd/fieldgate/admin"
	"github.com/fieldgate/fieldgate/cmd/program"
	"github.com/fieldgate/fieldgate/cmd/program/manual"
)

// commands are the subcommands of the program.
type commands struct {
	Serve  serveCommand  `cmd:"" help:"Run the gateway with Redis, for the users of a Supabase project."`
	Doctor doctorCommand `cmd:"" help:"Check the settings of serve, Redis, the token issuer and this machine, and print how to mend what is wrong."`
	Health healthCommand `cmd:"" help:"Check whether the gateway on this machine responds. Exits with 1 if not."`
	Dev    devCommand    `cmd:"" help:"Run the gateway with its own store and token issuer, for development. All data ends with it."`
	Demo   demoCommand   `cmd:"" help:"Demonstrate the life of a command, on a running gateway or one of its own."`
	Verify verifyCommand `cmd:"" help:"Verify the receipt of a command, without a gateway."`
	Admin  admin.Command `cmd:"" help:"Commands for the operator of an installation."`
	Token  tokenCommand  `cmd:"" help:"Print the token of a user for a gateway in development."`

	Completion manual.Completion `cmd:"" help:"Print the completions for a shell."`
	Man        manual.Page       `cmd:"" hidden:"" help:"Print the manual page."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

func main() {
	if err := readSettingFiles(); err != nil {
		fail(err)
	}
	var cli commands
	parser := kong.Must(&cli, options()...)
	parsed, err := parser.Parse(os.Args[1:])
	if misspelt := program.CheckEnvironment(os.Environ(), knownSettings(parser)); misspelt != nil {
		fail(misspelt)
	}
	parser.FatalIfErrorf(err)
	parsed.BindTo(program.UntilSignal(), (*context.Context)(nil))
	if err := parsed.Run(); err != nil {
		fail(err)
	}
}

// fail prints an error and ends the process, with 1 or the code that the error has.
func fail(err error) {
	fmt.Fprintln(os.Stderr, "fieldgate:", err)
	code := 1
	var coded kong.ExitCoder
	if errors.As(err, &coded) {
		code = coded.ExitCode()
	}
	os.Exit(code)
}

// options returns the options for the command-line parser.
func options() []kong.Option {
	return []kong.Option{
		kong.Name("fieldgate"),
		kong.Description("A command gateway between the users who operate a fleet of devices and the devices."),
		kong.Vars{"version": program.Version()},
		defaults(),
	}
}

// knownSettings returns the names of the environment variables that a program of this module
// reads: the gateway, the agent, and the scripts that the agent runs.
func knownSettings(parser *kong.Kong) []string {
	names := append(program.SettingNames(parser.Model.Node), settingsOfAgent.CommandID, settingsOfAgent.RequestID, settingsOfAgent.Restarted)
	for _, setting := range fileSettings {
		names = append(names, setting+fileSuffix)
	}
	agent := kong.Must(&settingsOfAgent.Settings{}, kong.Vars{"version": ""})
	return append(names, program.SettingNames(agent.Model.Node)...)
}
