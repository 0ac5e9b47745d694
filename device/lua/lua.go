// Package lua exports the Lua fragments of package device that scripts of other packages
// include. It does not import package device. The importing packages therefore do not
// depend on the Go code of package device.
package lua

import (
	"embed"

	"github.com/fieldgate/fieldgate/store"
)

// files holds only the exported fragments, because other packages run no script of
// package device.
//
//go:embed presence.lua login_check.lua instances.lua
var files embed.FS

// Library holds the fragments device/presence, which records whether a device is online,
// device/login_check, which checks the login of a device before a transition, and
// device/instances, which notices that two instances use one identity.
var Library = store.Library{"device": files}
