//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package agent

// lock does nothing on systems without a suitable file lock. On such systems, the service
// manager must prevent a second agent from using the state file.
func lock(string) (unlock func(), err error) { return func() {}, nil }
