package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// hardware identifies the machine that an identity belongs to, by hashes of numbers that are not copied
// with a disk. Which numbers exist and can be read depends on the machine and on the user of the agent.
type hardware struct {
	Board []numberHash `json:"board,omitempty"` // numbers of the main board
	Card  string       `json:"card,omitempty"`  // serial number of the memory card
	MACs  []string     `json:"macs,omitempty"`  // permanent addresses of the network adapters
}

// numberHash is the hash of a number of the main board.
type numberHash struct {
	Name string `json:"name"`
	Hash string `json:"hash"`
}

// boardFiles are the files with numbers of the main board, in the order of hardware.Board.
var boardFiles = []string{
	"sys/class/dmi/id/product_uuid", "sys/class/dmi/id/board_serial", "sys/firmware/devicetree/base/serial-number",
}

// readHardware returns the hardware of the machine whose files are below root.
func readHardware(root string) (h hardware) {
	for _, file := range boardFiles {
		if hash := hashNumber(filepath.Join(root, file)); hash != "" {
			h.Board = append(h.Board, numberHash{filepath.Base(file), hash})
		}
	}
	h.Card = hashNumber(filepath.Join(root, "sys/block/mmcblk0/device/cid"))
	adapters, _ := filepath.Glob(filepath.Join(root, "sys/class/net/*"))
	for _, adapter := range adapters {
		if hash := hashNumber(filepath.Join(adapter, "address")); hash != "" && hasOwnAddress(adapter) {
			h.MACs = append(h.MACs, hash)
		}
	}
	return h
}

// hasOwnAddress reports whether the address of a network adapter is that of its hardware: the adapter is
// a device, and neither the system nor a user has set its address.
func hasOwnAddress(adapter string) bool {
	_, err := os.Stat(filepath.Join(adapter, "device"))
	assigned, _ := os.ReadFile(filepath.Join(adapter, "addr_assign_type"))
	return err == nil && strings.TrimSpace(string(assigned)) == "0"
}

// hashNumber returns a hash of the number in a file, or "" if there is none. The state file may be
// read by others, who must not learn the number.
func hashNumber(file string) string {
	number, _ := os.ReadFile(file)
	number = bytes.Trim(number, "\x00 \n")
	if len(number) == 0 {
		return ""
	}
	sum := sha256.Sum256(append([]byte(filepath.Base(file)+" "), number...))
	return hex.EncodeToString(sum[:8])
}

// isOther reports whether h and other are certainly two machines. The numbers of the board decide if
// both have one. A memory card is moved to another board and a backup is restored to another card, so
// the card decides only without them. Adapters come and go: their addresses come last, and one that
// both have is enough.
func (h hardware) isOther(other hardware) bool {
	common := false
	for _, mine := range h.Board {
		for _, theirs := range other.Board {
			if mine.Name == theirs.Name && mine.Hash != theirs.Hash {
				return true
			}
			common = common || mine.Name == theirs.Name
		}
	}
	switch {
	case common:
		return false
	case h.Card != "" && other.Card != "":
		return h.Card != other.Card
	case len(h.MACs) == 0 || len(other.MACs) == 0:
		return false
	}
	return !slices.ContainsFunc(h.MACs, func(mac string) bool { return slices.Contains(other.MACs, mac) })
}

// isKnown reports whether any number could be read.
func (h hardware) isKnown() bool { return len(h.Board) > 0 || h.Card != "" || len(h.MACs) > 0 }
