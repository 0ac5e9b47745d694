package program

import (
	"os"
	"os/signal"
	"syscall"
)

// Hangups returns a channel that receives each SIGHUP from now on. One that arrives before the last
// was received is dropped. Without Hangups, the signal ends the process.
func Hangups() <-chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals
}
