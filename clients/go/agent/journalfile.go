package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
)

// compactAfter is the growth in bytes after which a journal file may be rewritten. It is
// rewritten when it exceeds twice its size after the last rewrite, plus compactAfter.
const compactAfter = 1 << 20

// A journalFile is an append-only file of records. Each line is a CRC-32 checksum in eight
// hexadecimal digits, a space, and the record as JSON.
type journalFile struct {
	path     string
	file     *os.File
	size     int64 // size of the file in bytes
	liveSize int64 // size in bytes after the last rewrite; zero before the first rewrite

	damaged bool // whether the file had a broken line before a good line when it was opened

	nameSynced bool               // whether the directory entry of the file is durable
	syncDir    func(string) error // syncs a directory; tests replace it with a function that fails
}

// openJournalFile opens the file at path and returns its records. If the file does not exist,
// openJournalFile creates it. It truncates the file after the last good line, because a power
// loss may leave an incomplete line or zeros there. A broken line before the last good line is
// a fault of the disk. In that case openJournalFile copies the file to path.damaged for
// inspection, and returns the records that it can parse.
func openJournalFile(path string, log *slog.Logger) (f *journalFile, records []record, err error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	records, end, broken := parseLines(text)
	f = &journalFile{path: path, size: int64(end), damaged: broken > 0, syncDir: syncDir}
	if f.damaged {
		log.Error("found broken lines in the journal", "file", path, "lines", broken, "copy", path+".damaged")
		if err := replaceFile(path+".damaged", text); err != nil {
			log.Error("copying the damaged journal failed", "error", err)
		}
	}
	if end < len(text) { // truncate by name: Windows cannot truncate a file that is open for appending
		if err := os.Truncate(path, f.size); err != nil {
			return nil, nil, err
		}
	}
	f.file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	return f, records, err
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
// disk.
func (f *journalFile) append(r record, durable bool) error {
	line, err := formatLine(r)
	if err != nil {
		return err
	}
	n, err := f.file.Write(line)
	f.size += int64(n)
	if err != nil || !durable {
		return err
	}
	return errors.Join(f.file.Sync(), f.syncName())
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
	temporary := f.path + ".tmp"
	if err := writeSynced(temporary, text); err != nil {
		_ = os.Remove(temporary)
		return err
	}
	return f.replace(temporary, int64(len(text)))
}

// replace renames the temporary file to f.path, and opens it. temporary is the path of the
// temporary file, and size is its size in bytes. replace closes the old file first, because
// Windows cannot replace an open file.
func (f *journalFile) replace(temporary string, size int64) error {
	_ = f.file.Close()
	err := os.Rename(temporary, f.path)
	if err == nil {
		f.size, f.liveSize, f.nameSynced = size, size, false
	}
	file, openErr := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND, 0o600)
	if openErr != nil {
		return errors.Join(err, openErr)
	}
	f.file = file
	return errors.Join(err, f.syncName())
}

func (f *journalFile) close() { _ = f.file.Close() }
