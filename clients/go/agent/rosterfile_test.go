package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// deviceOf returns a client of the device of the vectors.
func deviceOf(t *testing.T, g *fakeGateway) *fieldgate.DeviceClient {
	t.Helper()
	gateway, err := fieldgate.New(g.url)
	require.NoError(t, err)
	return gateway.Device("dev_1", "s3cret")
}

// TestRosterFile_DamagedOneDegradesUntilTheGatewayHasSentIt damages the file with the roster that the device has
// kept. A user who was removed counts again with the pinned one.
func TestRosterFile_DamagedOneDegradesUntilTheGatewayHasSentIt(t *testing.T) {
	t.Parallel()
	vectors, path := readVectors(t), filepath.Join(t.TempDir(), "roster")
	pinned := vectors.approversOf(t, "first", 1).Roster
	for _, served := range []string{"first", "later"} {
		require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
		f := openRoster(path, pinned, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, f.health(), "the pinned one is used")
		g := newFakeGateway(t)
		g.refuse = func(string, []byte) string { return "store_unavailable" }
		require.Error(t, f.follow(t.Context(), deviceOf(t, g)))
		require.Error(t, f.health(), "the gateway has sent nothing")
		g = newFakeGateway(t)
		g.roster = string(vectors.Rosters[served])
		require.NoError(t, f.follow(t.Context(), deviceOf(t, g)))
		require.NoError(t, f.health())
		require.NoError(t, openRoster(path, pinned, slog.New(slog.DiscardHandler)).health(), "the file is still damaged")
	}
}

func TestRosterFile_AnswerThatIsTooLongDegrades(t *testing.T) {
	t.Parallel()
	pinned := readVectors(t).approversOf(t, "first", 1).Roster
	g := newFakeGateway(t)
	g.roster = `{"versions":[]` + strings.Repeat(" ", fieldgate.DefaultMaxResponseBytes) + `}`
	f := openRoster(filepath.Join(t.TempDir(), "roster"), pinned, slog.New(slog.DiscardHandler))
	require.ErrorIs(t, f.follow(t.Context(), deviceOf(t, g)), fieldgate.ErrRosterInvalid)
	require.ErrorContains(t, f.health(), "longer than")
}
