// Package program holds code that all main packages share: the version of the program, and a
// context that a signal cancels.
package program

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// version is set by the linker: see the Makefile.
var version string

// Version returns the version that the linker has set. Without one, it returns the module
// version with which the program was installed, or "dev".
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

// UntilSignal returns a context that ends with the first SIGTERM or SIGINT. Later signals are
// not caught, so a second signal ends the process at once.
func UntilSignal() context.Context {
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
