//go:build !linux

package process

import "syscall"

// attributes returns the attributes of a program, which make it lead its own process group.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
