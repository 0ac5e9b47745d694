//go:build !linux

package process

import "syscall"

// attributes returns the attributes of a program: it leads a process group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
