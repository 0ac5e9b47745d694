//go:build !linux

package storetest

import "syscall"

// dieWithParent can ask for nothing here: a killed test binary leaves its server.
func dieWithParent() *syscall.SysProcAttr { return nil }
