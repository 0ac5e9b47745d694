package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
)

// machineID returns a hash of the host name and of /etc/machine-id, if that file exists. Both
// differ between machines that were set up properly, even if they were installed from one disk
// image. The agent thus notices when its state directory was copied to another machine.
func machineID() string {
	id, _ := os.ReadFile("/etc/machine-id")
	host, _ := os.Hostname()
	sum := sha256.Sum256(append(id, host...))
	return hex.EncodeToString(sum[:8])
}
