package agent

import (
	"crypto/rand"
	"log/slog"
	"os"
	"time"
)

// reserveBytes is the size of the reserve in bytes. It is enough for the records of one command,
// and for a result of some length.
const reserveBytes = 64 << 10

// A reserve is a file that occupies space on the disk of the journal. On a full disk, it is
// removed so that one command that frees space can be recorded: see FreesSpace.
type reserve struct {
	path string

	missing bool      // whether the file must be created
	retryAt time.Time // when to try again after an attempt has failed
}

// reservePause is the interval between attempts to create the reserve. Each one wears flash memory.
const reservePause = 10 * time.Minute

// isDue reports whether it is time to create the file.
func (r *reserve) isDue() bool { return r.missing && !time.Now().Before(r.retryAt) }

// fill creates the file unless it is there. The content is random, because some file systems of
// flash memory compress files. If fill fails, it logs the first error and sets the time of the next
// attempt.
func (r *reserve) fill(log *slog.Logger) {
	if info, err := os.Stat(r.path); err == nil && info.Size() == reserveBytes {
		r.missing, r.retryAt = false, time.Time{}
		return
	}
	content := make([]byte, reserveBytes)
	_, _ = rand.Read(content) // never fails
	err := writeSynced(r.path, content)
	if err != nil && r.retryAt.IsZero() {
		log.Warn("creating the reserve failed, trying again later", "file", r.path, "error", err)
	}
	r.missing, r.retryAt = err != nil, time.Time{}
	if err != nil {
		r.retryAt = time.Now().Add(reservePause)
	}
}

// spend removes the file, and reports whether that has freed space.
func (r *reserve) spend() bool {
	freed := os.Remove(r.path) == nil
	r.missing = r.missing || freed
	return freed
}
