// Package lua exports the Lua fragments of package session that scripts of other packages
// include. It is a leaf: those packages get Lua from here and no Go code of package session.
package lua

import (
	"embed"

	"github.com/fieldgate/fieldgate/store"
)

// files holds the exported fragments only: other packages run no script of this one.
//
//go:embed session.lua
var files embed.FS

// Library holds session/session, the end of a support session. It includes queue/command.
var Library = store.Library{"session": files}
