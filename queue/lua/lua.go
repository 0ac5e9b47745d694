// Package lua exports the Lua fragments of package queue that scripts of other packages
// include. It does not import package queue, so that those packages do not depend on the Go
// code of package queue.
package lua

import (
	"embed"

	"github.com/fieldgate/fieldgate/store"
)

// files holds only the exported fragments. Other packages run no script of package queue.
//
//go:embed command.lua votes.lua
var files embed.FS

// Library holds the fragment queue/command: the state machine of a command.
var Library = store.Library{"queue": files}
