//go:build !linux

package site

import "syscall"

// dieWithParent returns no attributes, because only Linux can kill a process when its parent dies.
func dieWithParent() *syscall.SysProcAttr { return new(syscall.SysProcAttr) }
