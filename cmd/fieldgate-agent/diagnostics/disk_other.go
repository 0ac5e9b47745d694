//go:build !linux

package diagnostics

// stat returns false. It is never called, because only Linux lists the mounts in /proc.
func (m mount) stat() (fileSystem, bool) { return fileSystem{}, false }
