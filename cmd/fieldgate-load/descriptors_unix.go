//go:build unix

package main

import "syscall"

// maxDescriptors returns the number of files that a process may open, or 0 if it is not known. The
// runtime of Go raises the soft limit to the hard one.
func maxDescriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Max), 1<<30))
}
