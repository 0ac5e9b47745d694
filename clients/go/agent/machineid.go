package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
)

// machineID returns a hash that identifies the machine: of /etc/machine-id, if the file
// exists, and of the host name. A properly prepared disk image gives each copy new values of
// both, so that a copied state directory is recognized.
func machineID() string {
	id, _ := os.ReadFile("/etc/machine-id")
	host, _ := os.Hostname()
	sum := sha256.Sum256(append(id, host...))
	return hex.EncodeToString(sum[:8])
}
