//go:build !linux

package storetest

import "syscall"

// DieWithParent can ask for nothing here: a killed test binary leaves its servers.
func DieWithParent() *syscall.SysProcAttr { return nil }
