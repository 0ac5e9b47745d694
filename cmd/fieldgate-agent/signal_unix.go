//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// ignoreFileSizeSignal ignores SIGXFSZ, which would end the program. Then a write beyond the
// file size limit only returns an error, as on a full disk.
func ignoreFileSizeSignal() { signal.Ignore(syscall.SIGXFSZ) }
