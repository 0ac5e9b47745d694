package storetest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// masterName is the name of the master in the configuration of Sentinel.
const masterName = "fieldgate"

// StartSentinel starts a Sentinel that monitors master. It returns the Sentinel, and the
// URL by which a store finds the master. The master's replicas must be connected already.
// A failover takes about two seconds. With shorter timeouts, a busy machine would fail
// over to a replica that is not in sync, and lose all data.
func StartSentinel(t testing.TB, master *Server) (sentinel *Server, url string) {
	t.Helper()
	sentinel = startFor(t, func(port, dir string) []string {
		file := filepath.Join(dir, "sentinel.conf")
		config := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nlogfile %s\n"+
			"sentinel monitor %[4]s 127.0.0.1 %[5]s 1\n"+
			"sentinel down-after-milliseconds %[4]s 1000\nsentinel failover-timeout %[4]s 2000\n",
			port, dir, filepath.Join(dir, "log"), masterName, master.Port)
		require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
		return []string{file, "--sentinel"}
	})
	return sentinel, "redis+sentinel://" + sentinel.Addr() + "?master_name=" + masterName
}
