package program_test

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/cmd/program"
)

func TestNotifyReady_TellsServiceManagerOfStartAndStop(t *testing.T) {
	for name, socket := range map[string]string{
		"a path":             filepath.Join(t.TempDir(), "notify"),
		"the abstract space": "@fieldgate-test-" + filepath.Base(t.TempDir()) + t.Name(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NOTIFY_SOCKET", socket)
			manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
			require.NoError(t, err)
			defer manager.Close()
			ctx, stop := context.WithCancel(t.Context())
			require.NoError(t, program.NotifyReady(ctx))
			require.Equal(t, "READY=1", receive(t, manager))
			stop()
			require.Equal(t, "STOPPING=1", receive(t, manager))
		})
	}
}

func TestNotifyReady_DoesNothingWithoutServiceManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	require.NoError(t, program.NotifyReady(t.Context()))
}

func TestNotifyReady_ReportsUnreachableServiceManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "absent"))
	require.ErrorContains(t, program.NotifyReady(t.Context()), "connecting to the service manager")
}

// receive returns the next datagram.
func receive(t testing.TB, conn net.Conn) string {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	buffer := make([]byte, 64)
	n, err := conn.Read(buffer)
	require.NoError(t, err)
	return string(buffer[:n])
}
