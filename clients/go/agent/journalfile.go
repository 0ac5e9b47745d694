package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
)

// compactAfter is the growth in bytes after which a journal file may be rewritten. It is
// rewritten when it exceeds twice its size after the last rewrite, plus compactAfter.
const compactAfter = 1 << 20

// A journalFile is an append-only file of records. Each line is a CRC-32 checksum in eight
// hexadecimal digits, a space, and the record as JSON. The process that uses the file holds a lock
// on it. The lock is on the file itself, so no second process gets it by removing another file.
type journalFile struct {
	path     string
	file     *os.File // nil if the file does not exist and cannot be created
	size     int64    // size of the file in bytes
	liveSize int64    // size in bytes after the last rewrite; zero before the first rewrite

	damaged bool // whether the file had a broken line before a good line when it was opened
	suspect bool // whether a record may be missing or broken at the end, so that the file must be rewritten

	nameSynced bool                 // whether the directory entry of the file is durable
	syncDir    func(string) error   // syncs a directory; tests replace it with a function that fails
	lock       func(*os.File) error // locks the file
}

// openJournalFile opens the file at path, locks it and returns its records. If the file does not
// exist, openJournalFile creates it. It truncates the file after the last good line, because a
// power loss may leave an incomplete line or zeros there. A broken line before the last good line
// is a fault of the disk. In that case openJournalFile copies the file to path.damaged for
// inspection, and returns the records that it can parse.
//
// If the file can only be read, openJournalFile returns the file together with writeErr, the
// reason. The same holds if there is no file and none can be created.
func openJournalFile(path string, lock func(*os.File) error, log *slog.Logger) (f *journalFile, records []record, writeErr, err error) {
	f = &journalFile{path: path, syncDir: syncDir, lock: lock}
	text, writeErr, err := f.open()
	if err != nil {
		return nil, nil, nil, err
	}
	records, end, broken := parseLines(text)
	f.size, f.damaged = int64(end), broken > 0
	if f.damaged {
		log.Error("found broken lines in the journal", "file", path, "lines", broken, "copy", path+".damaged")
		if err := replaceFile(path+".damaged", text); err != nil {
			log.Error("copying the damaged journal failed", "error", err)
		}
	}
	if end < len(text) && writeErr == nil { // truncate by name: Windows cannot truncate a file that is open for appending
		writeErr = os.Truncate(path, f.size)
	}
	f.suspect = writeErr != nil
	return f, records, writeErr, nil
}

// open opens and locks the file, and returns its content.
func (f *journalFile) open() (text []byte, writeErr, err error) {
	for range 10 {
		f.file, writeErr = os.OpenFile(f.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
		if writeErr != nil {
			f.file, err = os.Open(f.path)
			if errors.Is(err, os.ErrNotExist) {
				return nil, writeErr, nil
			}
			if err != nil {
				return nil, writeErr, err
			}
		}
		if err := f.lock(f.file); err != nil {
			return nil, nil, errors.Join(err, f.file.Close())
		}
		if _, err := f.stat(); err == nil {
			text, err := io.ReadAll(f.file)
			return text, writeErr, err
		}
		_ = f.file.Close() // another process has replaced the file before it released the lock
	}
	return nil, nil, fmt.Errorf("%w: %s is replaced all the time", ErrInUse, f.path)
}

// The errors of a file that something else than this process has changed. What the file should have is
// still in memory.
var (
	errRemoved = errors.New("the journal was removed")
	errResized = errors.New("the journal was overwritten") // such as by a restored backup
)

// stat describes the open file. It returns an error if the file is no longer the one at its path. Only this process
// may replace a file that it has locked. If someone has removed the file, another agent can create
// a new one and lock that: then the error is ErrInUse, and this process must not write any more.
func (f *journalFile) stat() (os.FileInfo, error) {
	there, err := os.Stat(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errRemoved
	}
	if err != nil {
		return nil, err
	}
	opened, err := f.file.Stat()
	if err != nil && f.file != nil {
		return nil, err
	}
	if f.file == nil || !os.SameFile(there, opened) {
		return nil, fmt.Errorf("%w: it has replaced %s", ErrInUse, f.path)
	}
	return opened, nil
}

// parseLines returns the records of the good lines. It also returns the offset of the end of
// the last good line, and the number of broken lines before that offset.
func parseLines(text []byte) (records []record, end, broken int) {
	pending := 0 // number of broken lines since the last good line
	for at := 0; at < len(text); {
		length := bytes.IndexByte(text[at:], '\n')
		if length < 0 {
			break
		}
		if r, err := parseLine(text[at : at+length]); err == nil {
			records = append(records, r)
			end, broken = at+length+1, broken+pending
			pending = 0
		} else {
			pending++
		}
		at += length + 1
	}
	return records, end, broken
}

var errBrokenLine = errors.New("the line is broken")

func parseLine(line []byte) (r record, err error) {
	if len(line) < 10 || line[8] != ' ' {
		return r, errBrokenLine
	}
	sum, err := strconv.ParseUint(string(line[:8]), 16, 32)
	if err != nil || uint32(sum) != crc32.ChecksumIEEE(line[9:]) {
		return r, errBrokenLine
	}
	return r, json.Unmarshal(line[9:], &r)
}

func formatLine(r record) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding a record: %w", err)
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(text), text), nil
}

// append writes a record. If durable is set, append returns only after the record is synced to
// disk. After an error, the file is as before, or f.suspect is set.
func (f *journalFile) append(r record, durable bool) error {
	line, err := formatLine(r)
	if err != nil {
		return err
	}
	info, err := f.stat()
	if err == nil && info.Size() != f.size {
		err = errResized
	}
	if err != nil {
		f.suspect = true
		return err
	}
	if _, err = f.file.Write(line); err != nil {
		f.suspect = f.suspect || f.file.Truncate(f.size) != nil
		return err
	}
	f.size += int64(len(line))
	if !durable {
		return nil
	}
	if err := errors.Join(f.file.Sync(), f.syncName()); err != nil {
		f.suspect = true // the record may be on disk, or not
		return err
	}
	return nil
}

// syncName syncs the directory entry of the file, once. Without the entry, a power loss would
// remove the file with all its synced records.
func (f *journalFile) syncName() error {
	if f.nameSynced {
		return nil
	}
	err := f.syncDir(filepath.Dir(f.path))
	f.nameSynced = err == nil
	return err
}

// needsRewrite reports whether the file is large enough to be rewritten.
func (f *journalFile) needsRewrite() bool { return f.size > 2*f.liveSize+compactAfter }

// rewrite replaces the content of the file with records. After an error, the file at path holds
// either the old or the new records and stays in use. If the file cannot be reopened, later
// calls of append return an error.
func (f *journalFile) rewrite(records []record) error {
	var text []byte
	for _, r := range records {
		line, err := formatLine(r)
		if err != nil {
			return err
		}
		text = append(text, line...)
	}
	if _, err := f.stat(); errors.Is(err, ErrInUse) {
		return err
	}
	file, err := createSynced(f.path+".tmp", text)
	if err != nil {
		return err
	}
	if err := f.lock(file); err != nil {
		return errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	return f.replace(file, int64(len(text)))
}

// replace renames the new file to f.path and uses it from then on. size is its size in bytes.
func (f *journalFile) replace(file *os.File, size int64) error {
	used, err := replaceOpen(f.file, file, f.path)
	f.file = used
	if err != nil {
		return err
	}
	f.size, f.liveSize, f.nameSynced, f.suspect = size, size, false, false
	return f.syncName()
}

func (f *journalFile) close() { _ = f.file.Close() }
