package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// replaceFile replaces the file at path atomically and durably: after a power loss, the file
// has either the old or the new content. Only the owner can read the file.
func replaceFile(path string, content []byte) error {
	temporary := path + ".tmp"
	if err := writeSynced(temporary, content); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("replacing %s: %w", path, err)
	}
	return syncDir(filepath.Dir(path))
}

// writeSynced creates the file at path, writes content to it and syncs it.
func writeSynced(path string, content []byte) error {
	file, err := createSynced(path, content)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// createSynced creates the file at path, writes content to it, syncs it, and returns it open for
// appending. First it removes a file that an earlier, interrupted call may have left at path.
// After an error it leaves no file.
func createSynced(path string, content []byte) (*os.File, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing the temporary file of an earlier write: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating %s: %w", path, err)
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		err = errors.Join(err, file.Close(), os.Remove(path))
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return file, nil
}

// syncDir syncs the directory at path, so that its entries survive a power loss. It does
// nothing on Windows, which cannot sync directories.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening the directory: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("syncing the directory %s: %w", path, err)
	}
	return nil
}
