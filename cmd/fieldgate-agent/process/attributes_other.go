//go:build unix && !linux

package process

import "syscall"

// attributes returns the attributes of a program. The program leads its own process group.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
