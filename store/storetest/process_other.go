//go:build !linux

package storetest

import "syscall"

// DieWithParent returns nil, because only Linux can kill a process with its parent. A
// killed test binary leaves its servers running.
func DieWithParent() *syscall.SysProcAttr { return nil }
