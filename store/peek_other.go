//go:build !unix || aix

package store

import "syscall"

// peek returns nil: this system has no way to peek at a connection.
func peek(syscall.RawConn) error { return nil }
