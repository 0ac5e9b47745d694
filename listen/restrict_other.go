//go:build !unix

package listen

import "io/fs"

// restrict does nothing, because the file of the socket has no mode.
func restrict(uintptr, fs.FileMode) {}
