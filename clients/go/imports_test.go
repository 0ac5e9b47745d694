package fieldgate_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestImports_NothingOfTheServer(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./...").Output()
	require.NoError(t, err)
	for _, path := range strings.Fields(string(out)) {
		require.Regexp(t, `^github\.com/(fieldgate/fieldgate/clients/go|gorilla/websocket)(/|$)`, path)
	}
}

// TestImports_NoWebSocketWithoutSockets shows that sockets need no separate package: the linker
// omits code that a program does not call.
func TestImports_NoWebSocketWithoutSockets(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "httponly")
	out, err := exec.Command("go", "build", "-o", program, "./testdata/httponly").CombinedOutput()
	require.NoError(t, err, string(out))
	symbols, err := exec.Command("go", "tool", "nm", program).Output()
	require.NoError(t, err)
	require.Contains(t, string(symbols), "(*DeviceClient).Claim")
	for _, absent := range []string{"websocket.(*Conn)", "websocket.(*Dialer)", "(*DeviceSocket)", "(*CustomerSocket)", "clients/go.(*conn)"} {
		require.NotContains(t, string(symbols), absent)
	}
}
