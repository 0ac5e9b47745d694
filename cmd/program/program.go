// Package program is what the commands have in common as programs: which version they are,
// and how they are asked to end.
package program

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// version is set by the linker, see the Makefile.
var version string

// Version is what the linker was told, or else what the toolchain knows of a module that
// was installed by its version, or else "dev".
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

// UntilSignal gives a context that ends with the first SIGTERM or SIGINT. The second one
// ends the process, however soon it comes: from the first one on, signals are not caught
// any more.
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
