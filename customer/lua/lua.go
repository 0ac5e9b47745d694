// Package lua exports the Lua fragments of package customer that scripts of other packages
// include. It does not import package customer, so that those packages do not depend on the Go
// code of package customer.
package lua

import (
	"embed"

	"github.com/fieldgate/fieldgate/store"
)

// files holds only the exported fragments. Other packages run no script of package customer.
//
//go:embed cut_offs.lua
var files embed.FS

// Library holds the fragment customer/cut_offs, which compares a token with the cut-offs of its
// tenant.
var Library = store.Library{"customer": files}
