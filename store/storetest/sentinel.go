package storetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// masterName is the name of the master in the configuration of Sentinel.
const masterName = "fieldgate"

// StartSentinel starts a Sentinel that monitors master. It returns the Sentinel, and the
// URL by which a store finds the master. The master's replicas must be connected already.
// A failover takes about two seconds. With shorter timeouts, a busy machine would fail
// over to a replica that is not in sync, and lose all data. Each of the settings is appended
// to "sentinel SETTING", such as "auth-user fieldgate sentinel".
func StartSentinel(t testing.TB, master *Server, settings ...string) (sentinel *Server, url string) {
	t.Helper()
	sentinel = startFor(t, func(port, dir string) []string {
		file := filepath.Join(dir, "sentinel.conf")
		config := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nlogfile %s\n"+
			"sentinel monitor %[4]s 127.0.0.1 %[5]s 1\n"+
			"sentinel down-after-milliseconds %[4]s 1000\nsentinel failover-timeout %[4]s 2000\n",
			port, dir, filepath.Join(dir, "log"), masterName, master.Port)
		for _, setting := range settings {
			config += "sentinel " + setting + "\n"
		}
		require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
		return []string{file, "--sentinel"}
	})
	return sentinel, "redis+sentinel://" + sentinel.Addr() + "?master_name=" + masterName
}

// AwaitKnownReplicas waits until a Sentinel knows n replicas of its master.
func (s *Server) AwaitKnownReplicas(t testing.TB, n int) {
	t.Helper()
	client := s.Client(t)
	require.Eventually(t, func() bool {
		known, _ := client.Do(context.Background(), "sentinel", "replicas", masterName).Slice()
		return len(known) == n
	}, 20*time.Second, 20*time.Millisecond, "the sentinel does not know the replicas")
}
