package scenario_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/scenario"
)

const valid = `
devices: 10
tenants: 2
sockets: 0.5
device: {pollWait: 2s, work: 10ms, lease: 30s}
phases:
  - {name: register, duration: 30s, register: 5}
  - {name: storm, duration: 10s, visits: 1, commands: 2, storm: {at: 1s, share: 0.5}}
settle: 10s
`

func TestParse_ReadsEachField(t *testing.T) {
	t.Parallel()
	s, err := scenario.Parse([]byte(valid))
	require.NoError(t, err)
	require.Equal(t, scenario.Scenario{
		Devices: 10, Tenants: 2, Sockets: 0.5, Settle: 10 * time.Second,
		Device: scenario.Device{PollWait: 2 * time.Second, Work: 10 * time.Millisecond, Lease: 30 * time.Second},
		Phases: []scenario.Phase{
			{Name: "register", Duration: 30 * time.Second, Register: 5},
			{Name: "storm", Duration: 10 * time.Second, Visits: 1, Commands: 2, Storm: &scenario.Storm{At: time.Second, Share: 0.5}},
		},
	}, s)
}

func TestParse_RefusalNamesTheField(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, want string }{
		"an unknown field":          {"devices: 10", "device_s: 10", "line 2: unknown field device_s"},
		"an unknown nested field":   {"share: 0.5", "part: 0.5", "unknown field part"},
		"a number as a duration":    {"settle: 10s", "settle: soon", "line 9: cannot unmarshal !!str `soon` as a duration such as 60s"},
		"a second document":         {"settle: 10s", "settle: 10s\n---\na: b", "the file must have one document"},
		"no devices":                {"devices: 10", "devices: 0", "devices must be above zero"},
		"more tenants than devices": {"tenants: 2", "tenants: 11", "tenants must be above zero, and at most the number of devices"},
		"a share above one":         {"sockets: 0.5", "sockets: 50", "sockets must be from 0 to 1"},
		"a share of a storm":        {"share: 0.5", "share: 2", "phases[1].storm.share must be from 0 to 1"},
		"a late storm":              {"at: 1s", "at: 11s", "phases[1].at must be within the duration of the phase"},
		"work beyond its lease":     {"work: 10ms", "work: 31s", "device.work must be shorter than device.lease"},
		"a short lease":             {"lease: 30s", "lease: 30ms", "device.lease must be a duration from 1s to 1h"},
		"visits without commands":   {"commands: 2", "commands: 0", "phases[1].commands must be above zero in a phase with visits"},
		"no registration":           {", register: 5", "", "phases[0].register must be above zero in the first phase"},
		"a second registration":     {"visits: 1", "register: 1", "phases[1].register must be above zero in the first phase, and absent in the others"},
		"no name":                   {"name: storm", `name: ""`, "phases[1].name must not be empty"},
		"two disturbances":          {"storm: {at: 1s, share: 0.5}", "roll: {}, kill: {}", "phases[1] must have at most one of storm, roll and kill"},
		"a Cluster of two":          {"settle: 10s", "settle: 10s\ngateways: {instances: 2, redis: 2}", "gateways.redis must be 1, or at least 3 for a Cluster"},
		"another variable":          {"settle: 10s", "settle: 10s\ngateways: {settings: {PATH: x}}", "gateways.settings.PATH must begin with FIELDGATE_"},
		"an address as a network":   {"settle: 10s", "settle: 10s\nsources: 127.0.0.1", "sources must be an IPv4 network such as 127.1.0.0/25"},
		"a network with host bits":  {"settle: 10s", "settle: 10s\nsources: 127.1.0.1/25", "sources must be an IPv4 network"},
		"a tab":                     {"devices: 10", "\tdevices: 10", "found character that cannot start any token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(valid, c.old, c.new, 1)
			require.NotEqual(t, valid, changed)
			_, err := scenario.Parse([]byte(changed))
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "scenario.Scenario", "the name of a Go type helps nobody")
		})
	}
	_, err := scenario.Parse(nil)
	require.EqualError(t, err, "the file is empty")
}

func TestLoad_ScenariosOfRepositoryAreValid(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../scenarios/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		_, err := scenario.Load(file)
		require.NoError(t, err)
	}
}

func TestLoad_ErrorNamesTheFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "fleet.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"devices": 0}`), 0o600))
	_, err := scenario.Load(file)
	require.ErrorContains(t, err, "fleet.json: devices must be above zero")
}
