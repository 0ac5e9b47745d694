// Package lua exports the Lua fragments of package session that scripts of other packages
// include. It does not import package session, so that those packages do not depend on the Go
// code of package session.
package lua

import (
	"embed"

	"github.com/fieldgate/fieldgate/store"
)

// files holds only the exported fragments. Other packages run no script of package session.
//
//go:embed session.lua
var files embed.FS

// Library holds the fragment session/session, which ends a support session. That fragment
// includes queue/command.
var Library = store.Library{"session": files}
