package agent

import (
	"crypto/rand"
	"fmt"
	"os"
)

// reserveBytes is the size of the reserve in bytes. It is enough for the records of one command,
// and for a result of some length.
const reserveBytes = 64 << 10

// A reserve is a file that occupies space on the disk of the journal. On a full disk, it is
// removed so that one command that frees space can be recorded: see FreesSpace.
type reserve struct {
	path string
	used bool  // whether the file was removed to free space
	err  error // error of the last attempt to create the file
}

// fill creates the file unless it is there. The content is random, because some file systems of
// flash memory compress files.
func (r *reserve) fill() {
	if info, err := os.Stat(r.path); err == nil && info.Size() == reserveBytes {
		r.err, r.used = nil, false
		return
	}
	content := make([]byte, reserveBytes)
	_, _ = rand.Read(content) // never fails
	if r.err = writeSynced(r.path, content); r.err != nil {
		r.err = fmt.Errorf("creating the reserve: %w", r.err)
		return
	}
	r.used = false
}

// spend removes the file, and reports whether that has freed space.
func (r *reserve) spend() bool {
	r.used = os.Remove(r.path) == nil
	return r.used
}
