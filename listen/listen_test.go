package listen_test

import (
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/listen"
)

// socketPath returns a path of a Unix socket. It is shorter than those of t.TempDir may be.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "api")
}

func openUnix(t *testing.T, path string) (net.Listener, error) {
	t.Helper()
	l, err := listen.Open(t.Context(), "unix:"+path, 0o620)
	if err == nil {
		t.Cleanup(func() { _ = l.Close() })
	}
	return l, err
}

func TestOpen_UnixSocketHasMode(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	l, err := openUnix(t, path)
	require.NoError(t, err)
	require.Equal(t, "unix:"+path, listen.AddrOf(l))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o620), info.Mode().Perm())
	require.NoError(t, l.Close())
	require.NoFileExists(t, path)
}

func TestOpen_UnixClientIsOnThisMachine(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	l, err := openUnix(t, path)
	require.NoError(t, err)
	client, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer client.Close()
	conn, err := l.Accept()
	require.NoError(t, err)
	defer conn.Close()
	require.Equal(t, "127.0.0.1:0", conn.RemoteAddr().String())
}

// TestOpen_ReplacesOnlyStaleSocket opens a socket that a killed program has left, one at which another
// program listens, and a path of something else.
func TestOpen_ReplacesOnlyStaleSocket(t *testing.T) {
	t.Parallel()
	t.Run("stale", func(t *testing.T) {
		t.Parallel()
		path := socketPath(t)
		left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		require.NoError(t, err)
		left.SetUnlinkOnClose(false)
		require.NoError(t, left.Close())
		_, err = openUnix(t, path)
		require.NoError(t, err)
	})
	t.Run("in use", func(t *testing.T) {
		t.Parallel()
		path := socketPath(t)
		first, err := openUnix(t, path)
		require.NoError(t, err)
		_, err = openUnix(t, path)
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		require.FileExists(t, path)
		client, err := net.Dial("unix", path)
		require.NoError(t, err, "the first listener is gone")
		require.NoError(t, client.Close())
		require.NoError(t, first.Close())
	})
	t.Run("of datagrams", func(t *testing.T) {
		t.Parallel()
		path := socketPath(t)
		other, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path})
		require.NoError(t, err)
		defer other.Close()
		_, err = openUnix(t, path)
		require.ErrorContains(t, err, "another program")
		require.FileExists(t, path)
	})
	t.Run("a file", func(t *testing.T) {
		t.Parallel()
		path := socketPath(t)
		require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
		_, err := openUnix(t, path)
		require.ErrorContains(t, err, "is not a socket")
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "precious", string(content))
	})
}

func TestOpen_RefusesPathThatIsNoPath(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "relative/api", "@abstract", "/" + strings.Repeat("p", 200)} {
		_, err := listen.Open(context.Background(), "unix:"+path, 0o600)
		require.ErrorContains(t, err, "the path of a Unix socket must begin with /", path)
	}
}

func TestIsLocal(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"127.0.0.1:9095": true, "127.8.0.1:1": true, "[::1]:9095": true, "localhost:9095": true, "unix:/run/a": true,
		":9095": false, "0.0.0.0:9095": false, "[::]:9095": false, "10.0.0.1:9095": false, "admin.example.com:9095": false,
		"localhost.example.com:1": false, "": false, "127.0.0.1": false,
	} {
		require.Equal(t, want, listen.IsLocal(addr), addr)
	}
}
