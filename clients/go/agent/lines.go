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

// wasteBytes is how much a journal may grow beyond what it must hold.
const wasteBytes = 1 << 20

// lines is a file of records: each line is a checksum of eight hexadecimal digits, a space,
// and JSON.
type lines struct {
	path string
	file *os.File
	size int64
	live int64 // what it had when it was written anew; zero before

	damaged bool // lines were missing when it was opened

	named   bool               // the directory is known to have this file, also after a loss of power
	syncDir func(string) error // fails in tests
}

// openLines opens the file of a journal and reads what is in it. A last line that was not
// written to its end is cut off. A line that is broken elsewhere is a fault of the disk:
// the file is kept for who wants to look, and what can be read is used.
func openLines(path string, log *slog.Logger) (l *lines, records []record, err error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	records, whole, faults := parseLines(text)
	l = &lines{path: path, size: int64(whole), damaged: faults > 0, syncDir: syncDir}
	if l.damaged {
		log.Error("the journal is damaged", "file", path, "lines", faults, "copy", path+".damaged")
		if err := replaceFile(path+".damaged", text); err != nil {
			log.Error("the damaged journal could not be copied", "error", err)
		}
	}
	if whole < len(text) { // by name: Windows cuts no file that is open to append
		if err := os.Truncate(path, l.size); err != nil {
			return nil, nil, err
		}
	}
	l.file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	return l, records, err
}

// parseLines gives the records, how many bytes they take from the beginning to the last
// good line, and how many lines between them are broken.
func parseLines(text []byte) (records []record, whole, faults int) {
	bad := 0
	for at := 0; at < len(text); {
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			break
		}
		if r, err := parseLine(text[at : at+end]); err == nil {
			records = append(records, r)
			whole, faults = at+end+1, faults+bad
			bad = 0
		} else {
			bad++
		}
		at += end + 1
	}
	return records, whole, faults
}

var errBroken = errors.New("the line is broken")

func parseLine(line []byte) (r record, err error) {
	if len(line) < 10 || line[8] != ' ' {
		return r, errBroken
	}
	sum, err := strconv.ParseUint(string(line[:8]), 16, 32)
	if err != nil || uint32(sum) != crc32.ChecksumIEEE(line[9:]) {
		return r, errBroken
	}
	return r, json.Unmarshal(line[9:], &r)
}

func formatLine(r record) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("writing a line: %w", err)
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(text), text), nil
}

// append writes a line, and waits until it is on the disk if that matters.
func (l *lines) append(r record, durable bool) error {
	line, err := formatLine(r)
	if err != nil {
		return err
	}
	n, err := l.file.Write(line)
	l.size += int64(n)
	if err != nil || !durable {
		return err
	}
	return errors.Join(l.file.Sync(), l.keepName())
}

// keepName makes the name of the file last: what is synced to a file that nobody finds
// again is lost.
func (l *lines) keepName() error {
	if l.named {
		return nil
	}
	err := l.syncDir(filepath.Dir(l.path))
	l.named = err == nil
	return err
}

// wasteful tells whether it is time to write the file anew.
func (l *lines) wasteful() bool { return l.size > 2*l.live+wasteBytes }

// rewrite replaces all that is in the file. After a failure the lines go on with whichever
// file has the name; if it cannot be opened, appending fails.
func (l *lines) rewrite(records []record) error {
	var text []byte
	for _, r := range records {
		line, err := formatLine(r)
		if err != nil {
			return err
		}
		text = append(text, line...)
	}
	temporary := l.path + ".tmp"
	if err := writeSynced(temporary, text); err != nil {
		_ = os.Remove(temporary)
		return err
	}
	return l.replace(temporary, int64(len(text)))
}

// replace puts a file of so many bytes into the place of this one. Windows does that only
// to a file that nobody has open.
func (l *lines) replace(by string, size int64) error {
	_ = l.file.Close()
	err := os.Rename(by, l.path)
	if err == nil {
		l.size, l.live, l.named = size, size, false
	}
	file, failed := os.OpenFile(l.path, os.O_RDWR|os.O_APPEND, 0o600)
	if failed != nil {
		return errors.Join(err, failed)
	}
	l.file = file
	return errors.Join(err, l.keepName())
}

func (l *lines) close() { _ = l.file.Close() }
