package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
)

// machineFiles are the files that differ between two machines: the ID of the installation, and
// numbers of the hardware, which are not copied with a disk. The last one is the serial number of
// the memory card. Addresses of network interfaces are not among them, because adapters come and
// go, and some addresses are random.
var machineFiles = []string{
	"/etc/machine-id",
	"/sys/class/dmi/id/product_uuid", "/sys/class/dmi/id/board_serial",
	"/sys/firmware/devicetree/base/serial-number",
	"/sys/block/mmcblk0/device/cid",
}

// machineID returns a hash of the host name and of those machineFiles that exist and can be read.
// The agent thus notices when its state directory was copied to another machine, even if both
// machines were installed from one disk image.
func machineID() string {
	host, _ := os.Hostname()
	return hashMachine(host, machineFiles)
}

func hashMachine(host string, files []string) string {
	hash := sha256.New()
	for _, file := range files {
		number, _ := os.ReadFile(file)
		hash.Write(number)
		hash.Write([]byte{0}) // separates the parts
	}
	hash.Write([]byte(host))
	return hex.EncodeToString(hash.Sum(nil)[:8])
}
