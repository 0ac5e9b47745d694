//go:build unix

package gateway

import "syscall"

// maxDescriptors returns the number of file descriptors that the process may open, or 0 if it
// is unknown. The Go runtime has raised the soft limit to the hard limit at the start.
func maxDescriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), mostDescriptors))
}
