package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A machine identifies the machine that an agent runs on, by hashes of numbers. Others may read the
// state file, and must not learn the numbers. Which numbers exist and can be read depends on the
// machine and on the user of the agent, so each of them may be missing.
type machine struct {
	Board map[string]string `json:"board,omitempty"` // numbers of the main board, by file name
	Disks []string          `json:"disks,omitempty"` // serial numbers of the built-in disks and memory cards
	MACs  []string          `json:"macs,omitempty"`  // permanent addresses of the built-in network adapters

	// Installation is the host name and the ID of the operating system. Both are copied with a disk.
	Installation string `json:"installation,omitempty"`
}

// boardFiles are the files with numbers of the main board.
var boardFiles = []string{
	"sys/class/dmi/id/product_uuid", "sys/class/dmi/id/board_serial", "sys/firmware/devicetree/base/serial-number",
}

// diskFiles are the files in the directory of a disk that may have its serial number. The first one
// that has it decides. They are those of memory cards, NVMe, SATA and SCSI, and of virtual disks.
var diskFiles = []string{"device/cid", "wwid", "device/wwid", "serial"}

// thisMachine returns the machine that the program runs on.
func thisMachine() machine {
	host, _ := os.Hostname()
	return readMachine("/", host)
}

// readMachine returns the machine with the given host name whose files are below root.
func readMachine(root, host string) machine {
	m := machine{Board: map[string]string{}}
	for _, file := range boardFiles {
		if hash := hashNumber(filepath.Join(root, file)); hash != "" {
			m.Board[filepath.Base(file)] = hash
		}
	}
	for _, disk := range builtIn(root, "sys/block/*") {
		if hash := hashFirst(disk, diskFiles); hash != "" {
			m.Disks = append(m.Disks, hash)
		}
	}
	for _, adapter := range builtIn(root, "sys/class/net/*") {
		if hash := hashNumber(filepath.Join(adapter, "address")); hash != "" && hasOwnAddress(adapter) {
			m.MACs = append(m.MACs, hash)
		}
	}
	id, _ := os.ReadFile(filepath.Join(root, "etc/machine-id"))
	m.Installation = hashText("installation", normalize(string(id))+" "+host)
	slices.Sort(m.Disks) // an adapter or disk of another name is the same one
	slices.Sort(m.MACs)
	return m
}

// builtIn returns the directories of the parts that match a pattern and are built into the machine.
// Parts on USB are not, because they are moved from one machine to another.
func builtIn(root, pattern string) (dirs []string) {
	links, _ := filepath.Glob(filepath.Join(root, pattern))
	for _, link := range links {
		dir, err := filepath.EvalSymlinks(link)
		if err != nil {
			continue
		}
		removable, _ := os.ReadFile(filepath.Join(dir, "removable"))
		inside := strings.TrimPrefix(dir, root)
		if !strings.Contains(inside, "/usb") && !strings.Contains(inside, "/virtual/") && strings.TrimSpace(string(removable)) != "1" {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// hasOwnAddress reports whether the address of a network adapter is that of its hardware: the adapter is
// a device, and neither the system nor a user has set its address.
func hasOwnAddress(adapter string) bool {
	_, err := os.Stat(filepath.Join(adapter, "device"))
	assigned, _ := os.ReadFile(filepath.Join(adapter, "addr_assign_type"))
	return err == nil && strings.TrimSpace(string(assigned)) == "0"
}

// hashFirst returns the hash of the first number in the files of a directory, or "" if there is none.
func hashFirst(dir string, files []string) string {
	for _, file := range files {
		if hash := hashNumber(filepath.Join(dir, file)); hash != "" {
			return hash
		}
	}
	return ""
}

// hashNumber returns a hash of the number in a file, or "" if the file has no number of this part alone.
func hashNumber(file string) string {
	text, _ := os.ReadFile(file)
	number := normalize(string(text))
	if isPlaceholder(number) {
		return ""
	}
	return hashText(filepath.Base(file), number)
}

func hashText(name, text string) string {
	sum := sha256.Sum256([]byte(name + " " + text))
	return hex.EncodeToString(sum[:8])
}

// normalize returns the ASCII letters and digits of a number, in lower case. Firmware writes the same
// number with other spaces, hyphens and cases after an update.
func normalize(number string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, number)
}

// placeholders are what makers leave where a serial number should be, and numbers that many machines
// have, all as normalize returns them. placeholderParts stand anywhere in such a text.
var (
	placeholders = []string{
		"none", "na", "null", "nil", "oem", "empty", "default", "serial", "system", "test", "sample",
		"03000200040005000006000700080009",
	}
	placeholderParts = []string{
		"tobefilled", "defaultstring", "serialnumber", "notspecified", "notapplicable", "notavailable", "notprovided",
		"notdefined", "notset", "unknown", "invalid", "undefined", "xxxxxxxx", "123456789", "qemu",
	}
)

// isPlaceholder reports whether a normalized number does not tell one machine from another.
func isPlaceholder(number string) bool {
	return strings.Trim(number, number[:min(1, len(number))]) == "" || // nothing, or one character repeated
		strings.Contains("012345678901234567890", number) ||
		slices.Contains(placeholders, number) ||
		slices.ContainsFunc(placeholderParts, func(part string) bool { return strings.Contains(number, part) })
}

// isOther reports whether m and now are two machines. A part of a machine may be replaced, so the
// most permanent number that both have decides, and the others may differ:
//
//   - The numbers of the main board: one that differs says that the machines are two.
//   - The disks: one that both have says that the disk was not copied.
//   - The network adapters: one that both have says that it is one machine. If all are others, one
//     machine with a new adapter looks like a copy. It counts as one machine if the installation is
//     the same too, because a device that does not start again cannot be helped. The gateway notices
//     the copies that this lets pass.
func (m machine) isOther(now machine) bool {
	if same, known := m.compareBoard(now); known {
		return !same
	}
	if len(m.Disks) > 0 && len(now.Disks) > 0 {
		return !haveCommon(m.Disks, now.Disks)
	}
	return m.hasOtherAdapters(now) && m.Installation != now.Installation
}

// compareBoard compares the numbers of the main board that both machines have. known is false if
// there are none.
func (m machine) compareBoard(now machine) (same, known bool) {
	same = true
	for name, mine := range m.Board {
		if theirs, found := now.Board[name]; found {
			same, known = same && mine == theirs, true
		}
	}
	return same, known
}

// hasOtherAdapters reports whether both machines have network adapters, and none in common.
func (m machine) hasOtherAdapters(now machine) bool {
	return len(m.MACs) > 0 && len(now.MACs) > 0 && !haveCommon(m.MACs, now.MACs)
}

func haveCommon(a, b []string) bool {
	return slices.ContainsFunc(a, func(one string) bool { return slices.Contains(b, one) })
}

// isKnown reports whether any number of the hardware could be read.
func (m machine) isKnown() bool { return len(m.Board) > 0 || len(m.Disks) > 0 || len(m.MACs) > 0 }

// refreshed returns m with the numbers of now, which is the same machine. It keeps those that cannot be
// read now. The installation belongs to the adapters, because it decides with them.
func (m machine) refreshed(now machine) machine {
	board := maps.Clone(m.Board)
	if board == nil {
		board = map[string]string{}
	}
	maps.Copy(board, now.Board)
	now.Board = board
	if len(now.Disks) == 0 {
		now.Disks = m.Disks
	}
	if len(now.MACs) == 0 {
		now.MACs, now.Installation = m.MACs, m.Installation
	}
	return now
}

// equals reports whether m and other have the same numbers.
func (m machine) equals(other machine) bool {
	return maps.Equal(m.Board, other.Board) && slices.Equal(m.Disks, other.Disks) &&
		slices.Equal(m.MACs, other.MACs) && m.Installation == other.Installation
}

// id returns a hash of the installation, the main board and the disks. It is in the journal, so that a
// copy does not repeat a claim of the original, even if both were installed from one image. The
// adapters are not in it, because they come and go.
func (m machine) id() string {
	parts := append([]string{m.Installation}, m.Disks...)
	for _, file := range boardFiles {
		parts = append(parts, m.Board[filepath.Base(file)])
	}
	return hashText("machine", strings.Join(parts, " "))
}
