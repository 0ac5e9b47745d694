package faults_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestDisk_FullLosesNothing fills the disk of Redis. With appendfsync everysec, Redis then
// refuses writes. With appendfsync always, Redis exits. In both cases, no response may report
// a lost command as accepted.
func TestDisk_FullLosesNothing(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"everysec", "always"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			forEachSeed(t, func(t *testing.T, seed uint64) { runFullDisk(t, seed, policy) })
		})
	}
}

func runFullDisk(t *testing.T, seed uint64, policy string) {
	disk := mountSmallDisk(t)
	server := storetest.Start(t, "--dir", disk, "--appendfsync", policy)
	s := newSite(t, plan{seed: seed}, server.URL(), server.Client(t))
	s.runWithFault(func() {
		filler := filepath.Join(disk, "filler")
		fillDisk(t, filler)
		d := s.tenants[0].devices[0]
		eventually(t, 20*time.Second, "the full disk is not noticed", func() bool {
			_, err := d.alice.Propose(t.Context(), d.session, client.ProposeCommandRequest{Type: auto, Parameters: d.newParameters()})
			return client.CodeOf(err) == client.CodeStoreUnavailable
		})
		sleep(t.Context(), time.Second)
		require.NoError(t, os.Remove(filler))
		if policy == "always" {
			eventually(t, 20*time.Second, "redis-server does not exit on a full disk", func() bool { return isDead(server.Client(t)) })
			server.Restart(t)
		}
	})
	s.verify()
	server.Kill()
	server.Restart(t)
	s.verify()
}

// newParameters returns the parameters of a proposal, with a new nonce. It records that the
// nonce may have been proposed, because the caller does not record the response.
func (d *device) newParameters() []byte {
	key := nonce()
	d.history.record("alice", "proposes "+key, func() { d.history.attempted[key] = true })
	return []byte(`{"nonce":"` + key + `"}`)
}

func isDead(c *redis.Client) bool { return c.Ping(context.Background()).Err() != nil }

// mountSmallDisk mounts a disk of 8 MB. Without the right to mount, it skips the test.
func mountSmallDisk(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("only root may mount a small disk: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return dir
}

// fillDisk writes a file until the disk is full.
func fillDisk(t testing.TB, name string) {
	t.Helper()
	file, err := os.Create(name)
	require.NoError(t, err)
	defer file.Close()
	for block := 1 << 20; block > 0; block /= 2 {
		for err = nil; err == nil; {
			_, err = file.Write(make([]byte, block))
		}
	}
}
