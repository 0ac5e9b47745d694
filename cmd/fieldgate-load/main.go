// Command fieldgate-load plays a fleet of devices and its users from a scenario file, and reports
// what they experienced.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/alecthomas/kong"

	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/fleet"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/scenario"
	"github.com/fieldgate/fieldgate/cmd/program"
)

// Exit codes.
const (
	exitFailed = 1 // the load test could not run, or a setting is wrong
	exitBroken = 2 // the load test ran, and a promise of the gateway did not hold
)

// commands are the subcommands of the program.
type commands struct {
	Run   runCommand   `cmd:"" help:"Play a scenario and print a report."`
	Check checkCommand `cmd:"" help:"Check a scenario file, and play nothing."`
	Play  playCommand  `cmd:"" hidden:"" help:"Play a part of the fleet that standard input describes."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

// checkCommand checks a scenario file.
type checkCommand struct {
	Scenario string `arg:"" help:"File with the scenario."`
}

// Run reads the file.
func (c *checkCommand) Run() error {
	_, err := scenario.Load(c.Scenario)
	return err
}

// playCommand plays a part of the fleet. The run command starts it.
type playCommand struct{}

// Run plays until standard input ends.
func (playCommand) Run(ctx context.Context) error { return fleet.Play(ctx, os.Stdin, os.Stdout) }

func main() {
	var cli commands
	parsed := kong.Parse(&cli,
		kong.Name("fieldgate-load"),
		kong.Description("Plays a fleet of devices and its users from a scenario file, and reports what they experienced."),
		kong.Vars{"version": program.Version()},
	)
	parsed.BindTo(program.UntilSignal(), (*context.Context)(nil))
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "fieldgate-load:", err)
		os.Exit(exitCode(err))
	}
}

func exitCode(err error) int {
	if errors.Is(err, errBroken) {
		return exitBroken
	}
	return exitFailed
}
