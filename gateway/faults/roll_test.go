package faults_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/store"
)

// A version is an earlier version of the gateway, which shares a store with this one during an
// upgrade and a downgrade.
type version struct {
	name   string
	commit string
}

// These are the versions that a roll begins with.
var (
	version10    = version{"1.0.0", "c7a75eb8f64df4250b3b3da7b66df8776f0105cf"}
	versionFence = version{"the first with a schema", "a430b0620843677b05c1cd2ab7da9c8fb29ad63a"}
)

// keptSetting is the environment variable that names the directory in which the programs of
// earlier versions are kept, because building them takes long.
const keptSetting = "FIELDGATE_TEST_ROLL"

// build returns the path of the program of a version. If it is not kept yet, it is built from the
// history of the repository. It skips the test if this clone does not have the commit.
func (v version) build(t testing.TB) (program string) {
	t.Helper()
	kept := os.Getenv(keptSetting)
	if kept == "" {
		t.Skip("run by make test-roll")
	}
	program = filepath.Join(kept, "fieldgate-"+v.commit)
	if _, err := os.Stat(program); err == nil {
		return program
	}
	if out, err := exec.Command("git", "cat-file", "-e", v.commit+"^{commit}").CombinedOutput(); err != nil {
		t.Skipf("NOT RUN: this clone does not have the commit %s of %s: %s", v.commit, v.name, out)
	}
	source := t.TempDir()
	runIn(t, "../..", "sh", "-c", `git archive "$1" | tar -xC "$2"`, "sh", v.commit, source)
	runIn(t, source, "go", "build", "-trimpath", "-o", program, "./cmd/fieldgate")
	return program
}

func runIn(t testing.TB, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// often shortens the interval of the reconciler, so that it compares everything several times during a roll.
const often = "FIELDGATE_RECONCILE_INTERVAL=500ms"

// TestRoll_ForthAndBackLosesNothing replaces the instances of an earlier version by this one, and
// then this one by the earlier one, one instance after the other and under load. Each call must
// have a response, and no record may be set aside.
func TestRoll_ForthAndBackLosesNothing(t *testing.T) {
	t.Parallel()
	for _, v := range []version{version10, versionFence} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			earlier, current := v.build(t), gatewayProgram(t)
			forEachSeed(t, func(t *testing.T, seed uint64) {
				redis := newFaultyRedis(t, seed)
				s := newSite(t, plan{seed: seed, ownProcesses: true}, "", redis.Client)
				running := []*process{s.startProgram(earlier, redis.URL(), often), s.startProgram(earlier, redis.URL(), often)}
				all := append([]*process{}, running...)
				s.registerAll()
				s.runWithFault(func() {
					for _, program := range []string{current, earlier} {
						for i := range running {
							next := s.startProgram(program, redis.URL(), often)
							running[i].drain()
							running[i] = next
							all = append(all, next)
							s.endDevices()
							redis.wait(time.Second)
						}
					}
				})
				s.verify()
				require.Empty(t, s.history.retries, "a call had no response")
				s.requireNothingSetAside()
				for _, p := range all {
					require.Empty(t, errorLines(p.log.String()))
				}
			})
		})
	}
}

// endDevices decommissions devices that no other client uses. This version writes due entries for
// them of a kind that 1.0.0 would set aside if it met them.
func (s *site) endDevices() {
	s.t.Helper()
	alice := s.tenants[0].alice
	for range 5 {
		made, err := alice.Provision(s.t.Context(), client.ProvisionDeviceRequest{Name: "Old pump"})
		require.NoError(s.t, err)
		require.NoError(s.t, alice.Decommission(s.t.Context(), made.Device.ID))
	}
}

// requireNothingSetAside requires that every quarantine is empty.
func (s *site) requireNothingSetAside() {
	s.t.Helper()
	for p := range store.Partitions {
		require.Empty(s.t, s.store.LRange(s.t.Context(), store.Partition(p).QuarantineKey(), 0, -1).Val())
	}
}

// errorLines returns the lines of a log with the level ERROR.
func errorLines(log string) (lines []string) {
	for line := range strings.Lines(log) {
		if strings.Contains(line, `"level":"ERROR"`) {
			lines = append(lines, line)
		}
	}
	return lines
}
