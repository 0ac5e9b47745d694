// Package lua exports the Lua fragments of package approver that scripts of other packages include. It
// does not import package approver, so that those packages do not depend on its Go code.
package lua

import (
	"embed"

	"github.com/fieldgate/fieldgate/store"
)

// files holds only the exported fragments. Other packages run no script of package approver.
//
//go:embed passkeys.lua
var files embed.FS

// Library holds the fragment approver/passkeys, which records the use of a passkey.
var Library = store.Library{"approver": files}
