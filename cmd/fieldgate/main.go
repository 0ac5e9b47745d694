// Command fieldgate runs the device command gateway.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the linker; without it, it is what the toolchain knows.
var version string

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
		kong.Vars{"version": programVersion()},
	)
	parsed.BindTo(untilSignal(), (*context.Context)(nil))
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "fieldgate:", err)
		os.Exit(1)
	}
}

// untilSignal gives a context that ends with the first signal, which begins the
// drain. The second one ends the process, however soon it comes: from the first
// one on, signals are not caught any more.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-signals
		signal.Stop(signals)
		cancel()
	}()
	return ctx
}

func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
