// Package lua exports the Lua fragments of package queue that scripts of other packages
// include. It is a leaf: those packages get Lua from here and no Go code of package queue.
package lua

import (
	"embed"

	"github.com/fieldgate/fieldgate/store"
)

// files holds the exported fragments only: other packages run no script of this one.
//
//go:embed command.lua
var files embed.FS

// Library holds queue/command, the state machine of a command.
var Library = store.Library{"queue": files}
