package agent

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeHardware reads the hardware of a machine with the given files.
func fakeHardware(t testing.TB, files map[string]string) hardware {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return readHardware(root)
}

const (
	uuidFile   = "sys/class/dmi/id/product_uuid"
	serialFile = "sys/class/dmi/id/board_serial"
	cardFile   = "sys/block/mmcblk0/device/cid"
)

// adapter returns the files of a network adapter.
func adapter(name, address, assigned string) map[string]string {
	dir := "sys/class/net/" + name + "/"
	return map[string]string{dir + "address": address, dir + "addr_assign_type": assigned, dir + "device/uevent": ""}
}

func TestHardware_IsOther(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		first, second map[string]string
		want          bool
	}{
		"nothing is known":            {nil, nil, false},
		"only one is known":           {map[string]string{uuidFile: "a"}, nil, false},
		"the user may read less":      {map[string]string{uuidFile: "a", serialFile: "s"}, map[string]string{serialFile: "s"}, false},
		"another board":               {map[string]string{uuidFile: "a"}, map[string]string{uuidFile: "b"}, true},
		"a serial number of no value": {map[string]string{uuidFile: "a", serialFile: "None"}, map[string]string{uuidFile: "b", serialFile: "None"}, true},
		"card in another board":       {map[string]string{serialFile: "s", cardFile: "c"}, map[string]string{serialFile: "t", cardFile: "c"}, true},
		"backup on another card":      {map[string]string{serialFile: "s", cardFile: "c"}, map[string]string{serialFile: "s", cardFile: "d"}, false},
		"another card":                {map[string]string{cardFile: "c"}, map[string]string{cardFile: "d"}, true},
		"another adapter":             {adapter("eth0", "m", "0"), adapter("eth0", "n", "0"), true},
		"address of a user":           {adapter("eth0", "m", "0"), adapter("eth0", "n", "3"), false},
		"renamed adapter":             {adapter("eth0", "m", "0"), adapter("enp1s0", "m", "0"), false},
		"adapter of the same card":    {adapter("eth0", "m", "0"), map[string]string{cardFile: "d"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := fakeHardware(t, test.first), fakeHardware(t, test.second)
			require.Equal(t, test.want, first.isOther(second))
			require.Equal(t, test.want, second.isOther(first))
			require.False(t, first.isOther(first))
		})
	}
}

// TestState_CopiedToOtherMachineIsRefused copies a state directory to a machine with the same host name and
// machine ID. Its agent must not use the identity until an operator has adopted it.
func TestState_CopiedToOtherMachineIsRefused(t *testing.T) {
	t.Parallel()
	g, state := newFakeRegistrar(t), newStatePath(t)
	first := newTestAgent(t, g.url, state, "7K2M-Q9TX-4WPA")
	first.hardware = fakeHardware(t, map[string]string{serialFile: "board-1"})
	registered, err := first.identify(t.Context(), nil)
	require.NoError(t, err)
	text, err := os.ReadFile(state)
	require.NoError(t, err)
	require.NotContains(t, string(text), "board-1", "others may read the state file")

	second := newTestAgent(t, g.url, state, "")
	second.hardware = fakeHardware(t, map[string]string{serialFile: "board-2"})
	require.ErrorIs(t, second.Run(t.Context()), ErrCopied)
	require.ErrorContains(t, second.Run(t.Context()), "reset it and register this machine with an activation code of its own")
	kept, err := os.ReadFile(state)
	require.NoError(t, err)
	require.Equal(t, text, kept)

	require.NoError(t, Adopt(state))
	second.hardware = readHardware("/")
	adopted, err := second.identify(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, registered.DeviceSecret, adopted.DeviceSecret)
}

// TestState_OfEarlierVersionRecordsMachine starts with the state file of an earlier version. The first
// machine that uses it keeps it.
func TestState_OfEarlierVersionRecordsMachine(t *testing.T) {
	t.Parallel()
	state := newStatePath(t)
	require.NoError(t, identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}.write(state))
	a := newTestAgent(t, "http://127.0.0.1:1", state, "")
	a.hardware = fakeHardware(t, map[string]string{serialFile: "board-1"})
	_, err := a.identify(t.Context(), nil)
	require.NoError(t, err)
	a.hardware = fakeHardware(t, map[string]string{serialFile: "board-2"})
	_, err = a.identify(t.Context(), nil)
	require.ErrorIs(t, err, ErrCopied)
}

func TestState_UnwritableStaysUsable(t *testing.T) {
	t.Parallel()
	state := newStatePath(t)
	want := identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}
	require.NoError(t, want.write(state))
	a := newTestAgent(t, "http://127.0.0.1:1", state, "")
	a.hardware = fakeHardware(t, map[string]string{serialFile: "board-1"})
	device, err := a.identify(t.Context(), io.ErrShortWrite)
	require.NoError(t, err)
	require.Equal(t, want, device)
}

func TestAdopt_RefusesWhatIsUsedOrMissing(t *testing.T) {
	t.Parallel()
	state := newStatePath(t)
	require.ErrorIs(t, Adopt(state), ErrNotRegistered)
	require.NoError(t, identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}.write(state))
	used, err := openJournal(state+".journal", machineID(), lockFile, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(used.close)
	require.ErrorIs(t, Adopt(state), ErrInUse)
}
