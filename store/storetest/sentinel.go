package storetest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// masterName is how Sentinel knows the master.
const masterName = "fieldgate"

// StartSentinel gives a test a Sentinel that watches a master, and the URL by
// which a store finds that master. Its replicas must be connected already. A
// failover takes about two seconds. A shorter patience would have a busy machine
// fail over to a replica that is not in step yet, which loses everything.
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
