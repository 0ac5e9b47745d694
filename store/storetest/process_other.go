//go:build !linux

package storetest

import "syscall"

// DieWithParent returns no attributes, because only Linux can kill a process when its parent dies.
// If a test binary is killed, its servers keep running.
func DieWithParent() *syscall.SysProcAttr { return new(syscall.SysProcAttr) }
