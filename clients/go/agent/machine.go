package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
)

// machine names the machine that this runs on, by what a copy of its disk is given anew
// when it is made with care: /etc/machine-id, where there is one, and the name of the host.
func machine() string {
	id, _ := os.ReadFile("/etc/machine-id")
	host, _ := os.Hostname()
	sum := sha256.Sum256(append(id, host...))
	return hex.EncodeToString(sum[:8])
}
