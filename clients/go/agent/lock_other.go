//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package agent

import (
	"errors"
	"os"
)

// lockState does nothing, because this system has no suitable file lock. The service manager must
// prevent a second agent from using the state file.
func lockState(string) (unlock func(), err error) { return func() {}, nil }

// lockFile does nothing: see lockState.
func lockFile(*os.File) error { return nil }

// replaceOpen renames file to path, and closes the old file at path. It returns the open file
// that is then at path.
func replaceOpen(old, file *os.File, path string) (*os.File, error) {
	if err := os.Rename(file.Name(), path); err != nil {
		return old, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	_ = old.Close()
	return file, nil
}
