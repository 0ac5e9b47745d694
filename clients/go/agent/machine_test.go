package agent

import (
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// host is the host name of the machines of the tests.
const host = "pump-7"

// fakeMachine returns a machine with the given files.
func fakeMachine(t testing.TB, files map[string]string) machine {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return readMachine(root, host)
}

const (
	uuidFile   = "sys/class/dmi/id/product_uuid"
	serialFile = "sys/class/dmi/id/board_serial"
	cardFile   = "sys/block/mmcblk0/device/cid"
	diskFile   = "sys/block/nvme0n1/wwid"
	idFile     = "etc/machine-id"
)

// adapter returns the files of a network adapter.
func adapter(name, address, assigned string) map[string]string {
	dir := "sys/class/net/" + name + "/"
	return map[string]string{dir + "address": address, dir + "addr_assign_type": assigned, dir + "device/uevent": ""}
}

// join returns the files of several parts of a machine.
func join(parts ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

// installed returns the file with the ID of an installation.
func installed(id string) map[string]string { return map[string]string{idFile: id + "\n"} }

func TestMachine_IsOther(t *testing.T) {
	t.Parallel()
	eth0, wlan0, spare := adapter("eth0", "00:1b:21:3a:4f:01", "0"), adapter("wlan0", "00:1b:21:3a:4f:02", "0"), adapter("eth0", "00:1b:21:3a:4f:03", "0")
	for name, test := range map[string]struct {
		first, second map[string]string
		want          bool
	}{
		"nothing is known":                          {nil, nil, false},
		"only one is known":                         {map[string]string{uuidFile: "a1"}, nil, false},
		"the user may read less":                    {map[string]string{uuidFile: "a1", serialFile: "s1"}, map[string]string{serialFile: "s1"}, false},
		"container without a number, created again": {installed("a1"), installed("b2"), false},

		"another board":                         {map[string]string{uuidFile: "a1"}, map[string]string{uuidFile: "b2"}, true},
		"another board under the same system":   {join(installed("a1"), map[string]string{serialFile: "s1"}), join(installed("a1"), map[string]string{serialFile: "t2"}), true},
		"a serial number of no value":           {map[string]string{uuidFile: "a1", serialFile: "None"}, map[string]string{uuidFile: "b2", serialFile: "None"}, true},
		"one of two numbers is another":         {map[string]string{uuidFile: "a1", serialFile: "s1"}, map[string]string{uuidFile: "a1", serialFile: "t2"}, true},
		"only a number of no value is another":  {map[string]string{serialFile: "Default string"}, map[string]string{serialFile: "To be filled by O.E.M."}, false},
		"firmware writes the number in capital": {map[string]string{serialFile: " ab-12 cd\n"}, map[string]string{serialFile: "AB12CD"}, false},
		"card in another board":                 {map[string]string{serialFile: "s1", cardFile: "c1"}, map[string]string{serialFile: "t2", cardFile: "c1"}, true},
		"backup on another card":                {map[string]string{serialFile: "s1", cardFile: "c1"}, map[string]string{serialFile: "s1", cardFile: "d2"}, false},
		"board with other disk and adapter":     {join(map[string]string{serialFile: "s1", diskFile: "c1"}, eth0), join(map[string]string{serialFile: "s1", diskFile: "d2"}, spare), false},

		"another card":                     {map[string]string{cardFile: "c1"}, map[string]string{cardFile: "d2"}, true},
		"image on the disk of another one": {join(installed("a1"), eth0, map[string]string{diskFile: "c1"}), join(installed("a1"), spare, map[string]string{diskFile: "d2"}), true},
		"adapter replaced, disk kept":      {join(installed("a1"), eth0, map[string]string{diskFile: "c1"}), join(installed("a1"), spare, map[string]string{diskFile: "c1"}), false},
		"a second disk":                    {map[string]string{diskFile: "c1"}, map[string]string{diskFile: "c1", cardFile: "d2"}, false},
		"disk on USB":                      {join(map[string]string{"sys/block/sda/device/wwid": "u1", "sys/block/sda/removable": "1\n", diskFile: "c1"}), join(map[string]string{"sys/block/sda/device/wwid": "u1", "sys/block/sda/removable": "1\n", diskFile: "d2"}), true},

		"only adapter replaced":                    {join(installed("a1"), eth0), join(installed("a1"), spare), false},
		"adapter and installation are other ones":  {join(installed("a1"), eth0), join(installed("b2"), spare), true},
		"one of two adapters replaced":             {join(installed("a1"), eth0, wlan0), join(installed("b2"), spare, wlan0), false},
		"installed again":                          {join(installed("a1"), eth0), join(installed("b2"), eth0), false},
		"address of a user":                        {join(installed("a1"), eth0), join(installed("b2"), adapter("eth0", "00:1b:21:3a:4f:03", "3")), false},
		"renamed adapter":                          {join(installed("a1"), eth0), join(installed("b2"), adapter("enp1s0", "00:1B:21:3A:4F:01", "0")), false},
		"adapter of the one, card of the other":    {eth0, map[string]string{cardFile: "d2"}, false},
		"adapter without an address of its own":    {join(installed("a1"), eth0), join(installed("b2"), adapter("eth0", "00:00:00:00:00:00", "0")), false},
		"another board under the adapter of first": {join(map[string]string{serialFile: "s1"}, eth0), join(map[string]string{serialFile: "t2"}, eth0), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := fakeMachine(t, test.first), fakeMachine(t, test.second)
			require.Equal(t, test.want, first.isOther(second))
			require.Equal(t, test.want, second.isOther(first))
			require.False(t, first.isOther(first))
		})
	}
}

// TestMachine_OtherHostNameIsAnotherInstallation clones a virtual machine whose clone has only another name.
func TestMachine_OtherHostNameIsAnotherInstallation(t *testing.T) {
	t.Parallel()
	original := machine{MACs: []string{"m"}, Installation: readMachine("/nowhere", "pump-1").Installation}
	clone := machine{MACs: []string{"n"}, Installation: readMachine("/nowhere", "pump-2").Installation}
	require.True(t, original.isOther(clone))
}

func TestMachine_PlaceholdersAreNoNumbers(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " \n", "\x00", "0", "00000000", "None", "none\n", "N/A", "NULL", "OEM", "Default string", "default  STRING", "To be filled by O.E.M.",
		"To Be Filled By O.E.M. ", "System Serial Number", "Base Board Serial Number", "Not Specified", "Not Applicable", "Unknown", "INVALID",
		"123456789", "0123456789", "1234567890", "BSN12345678901234567", "xxxxxxxxxx", "........", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
		"00000000-0000-0000-0000-000000000000", "03000200-0400-0500-0006-000700080009", "12345678-1234-5678-90AB-CDDEEFAABBCC",
		"t10.ATA     QEMU HARDDISK                           QM00001",
	} {
		require.True(t, isPlaceholder(normalize(text)), text)
		require.False(t, fakeMachine(t, map[string]string{serialFile: text}).isKnown(), text)
	}
	for _, text := range []string{
		"100000003d1c2b4f", "PF2X9KLM", "/7K2MQ93/CNCMC0009G0123/", "4c4c4544-004b-3210-8037-b4c04f4d5331", "VBf1a9c3d2-0b7e44aa",
		"eui.0025385b11b2f1a4", "1e4a455344313647421057e2d1a9a300", "00:1b:21:3a:4f:01", "02:00:00:00:00:01",
	} {
		require.False(t, isPlaceholder(normalize(text)), text)
	}
}

func TestMachine_PartsOnUSBAreNotBuiltIn(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for link, device := range map[string]string{
		"sys/class/net/eth0": "sys/devices/pci0000:00/net/eth0", "sys/class/net/lte0": "sys/devices/pci0000:00/usb1/1-2/net/lte0",
		"sys/class/net/veth0": "sys/devices/virtual/net/veth0",
	} {
		dir := filepath.Join(root, device)
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "device"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "addr_assign_type"), []byte("0\n"), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "address"), []byte("00:1b:21:3a:4f:"+link[len(link)-2:]), 0o600))
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, link)), 0o755))
		require.NoError(t, os.Symlink(dir, filepath.Join(root, link)))
	}
	require.Len(t, readMachine(root, host).MACs, 1)
}

func TestMachine_IDDiffersByInstallationAndHardware(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, files := range []map[string]string{
		nil, installed("a1"), installed("b2"), {serialFile: "a1"}, {uuidFile: "a1"}, {cardFile: "a1"}, {idFile: "a1", cardFile: "a1"},
	} {
		id := fakeMachine(t, files).id()
		require.False(t, seen[id], files)
		seen[id] = true
	}
	require.NotEqual(t, readMachine("/nowhere", "pump").id(), readMachine("/nowhere", "pump-2").id())
	require.Equal(t, fakeMachine(t, installed("a1")).id(), fakeMachine(t, join(installed("a1"), adapter("eth0", "00:1b:21:3a:4f:01", "0"))).id())
}

// TestState_ReplacedPartsAreRecorded replaces first the adapter and then the disk of a machine. Each time
// the other part shows that it is the same machine.
func TestState_ReplacedPartsAreRecorded(t *testing.T) {
	t.Parallel()
	state := newStatePath(t)
	require.NoError(t, identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}.write(state))
	serial := map[string]string{serialFile: "board-1"}
	start := func(parts ...map[string]string) error {
		a := newTestAgent(t, "http://127.0.0.1:1", state, "")
		a.machine = fakeMachine(t, join(append(parts, installed("a1"))...))
		_, err := a.identify(t.Context(), nil)
		return err
	}
	disk := func(n string) map[string]string { return map[string]string{diskFile: n} }
	eth0, spare := adapter("eth0", "00:1b:21:3a:4f:01", "0"), adapter("eth0", "00:1b:21:3a:4f:03", "0")
	require.NoError(t, start(serial, disk("d1"), eth0))
	require.NoError(t, start(serial, disk("d1"), spare))
	require.NoError(t, start(serial, disk("d2"), spare))
	before, err := os.Stat(state)
	require.NoError(t, err)
	require.NoError(t, start(disk("d2"), spare), "a user who may not read the number of the board")
	after, err := os.Stat(state)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "the state file was written although nothing has changed")
	require.ErrorIs(t, start(disk("d1"), eth0), ErrCopied, "the parts that were replaced, in another machine")
	require.ErrorIs(t, start(map[string]string{serialFile: "board-2"}, disk("d2"), spare), ErrCopied, "the number of the board is kept")
}

// TestState_CopiedRegistrationGetsNewKey copies the state of a device whose registration has not arrived
// yet. With the same key, the gateway would give both machines one identity.
func TestState_CopiedRegistrationGetsNewKey(t *testing.T) {
	t.Parallel()
	g, state := newFakeRegistrar(t), newStatePath(t)
	first := newTestAgent(t, g.url, state, "7K2M-Q9TX-4WPA")
	first.machine = fakeMachine(t, map[string]string{serialFile: "board-1"})
	pending, err := first.prepareRegistration(nil)
	require.NoError(t, err)

	second := newTestAgent(t, g.url, state, "")
	second.machine = fakeMachine(t, map[string]string{serialFile: "board-2"})
	require.ErrorIs(t, second.Run(t.Context()), ErrNotRegistered)
	second.config.ActivationCode = "7K2M-Q9TX-4WPA"
	_, err = second.identify(t.Context(), nil)
	require.NoError(t, err)
	keys, _ := g.requests()
	require.NotContains(t, keys, pending.IdempotencyKey)
}

// TestState_CopiedToOtherMachineIsRefused copies a state directory to a machine with the same host name and
// machine ID. Its agent must not use the identity until an operator has adopted it.
func TestState_CopiedToOtherMachineIsRefused(t *testing.T) {
	t.Parallel()
	g, state := newFakeRegistrar(t), newStatePath(t)
	first := newTestAgent(t, g.url, state, "7K2M-Q9TX-4WPA")
	first.machine = fakeMachine(t, map[string]string{serialFile: "board-1"})
	registered, err := first.identify(t.Context(), nil)
	require.NoError(t, err)
	text, err := os.ReadFile(state)
	require.NoError(t, err)
	require.NotContains(t, string(text), "board-1", "others may read the state file")

	second := newTestAgent(t, g.url, state, "")
	second.machine = fakeMachine(t, map[string]string{serialFile: "board-2"})
	require.ErrorIs(t, second.Run(t.Context()), ErrCopied)
	require.ErrorContains(t, second.Run(t.Context()), "reset it and register this machine with an activation code of its own")
	kept, err := os.ReadFile(state)
	require.NoError(t, err)
	require.Equal(t, text, kept)

	require.NoError(t, Adopt(state))
	second.machine = thisMachine()
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
	a.machine = fakeMachine(t, map[string]string{serialFile: "board-1"})
	_, err := a.identify(t.Context(), nil)
	require.NoError(t, err)
	a.machine = fakeMachine(t, map[string]string{serialFile: "board-2"})
	_, err = a.identify(t.Context(), nil)
	require.ErrorIs(t, err, ErrCopied)
}

func TestState_UnwritableStaysUsable(t *testing.T) {
	t.Parallel()
	state := newStatePath(t)
	want := identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}
	require.NoError(t, want.write(state))
	a := newTestAgent(t, "http://127.0.0.1:1", state, "")
	a.machine = fakeMachine(t, map[string]string{serialFile: "board-1"})
	device, err := a.identify(t.Context(), io.ErrShortWrite)
	require.NoError(t, err)
	require.Equal(t, want, device)
}

func TestAdopt_RefusesWhatIsUsedOrMissing(t *testing.T) {
	t.Parallel()
	state := newStatePath(t)
	require.ErrorIs(t, Adopt(state), ErrNotRegistered)
	require.NoError(t, identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}.write(state))
	used, err := openJournal(state+".journal", thisMachine().id(), lockFile, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(used.close)
	require.ErrorIs(t, Adopt(state), ErrInUse)
}
