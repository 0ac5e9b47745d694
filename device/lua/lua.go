// Package lua exports the Lua fragments of package device that scripts of other packages
// include. It is a leaf: those packages get Lua from here and no Go code of package device.
package lua

import (
	"embed"

	"github.com/fieldgate/fieldgate/store"
)

// files holds the exported fragments only: other packages run no script of this one.
//
//go:embed presence.lua
var files embed.FS

// Library holds device/presence, which records whether a device is online.
var Library = store.Library{"device": files}
