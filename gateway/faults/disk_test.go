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

// A Redis whose disk is full takes no writes (everysec), or ends (always). Either
// way nobody is told that something was accepted which is not kept.
func TestDisk_FullLosesNothing(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"everysec", "always"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, seed uint64) { diskIsFull(t, seed, policy) })
		})
	}
}

func diskIsFull(t *testing.T, seed uint64, policy string) {
	disk := smallDisk(t)
	server := storetest.Start(t, "--dir", disk, "--appendfsync", policy)
	s := newSite(t, plan{seed: seed}, server.URL(), server.Client(t))
	s.under(func() {
		filler := filepath.Join(disk, "filler")
		fill(t, filler)
		d := s.customers[0].devices[0]
		eventually(t, 10*time.Second, "the full disk is not noticed", func() bool {
			_, err := d.alice.Propose(t.Context(), d.session, client.ProposeCommandRequest{Type: auto, Parameters: d.unique()})
			return client.CodeOf(err) == client.CodeStoreUnavailable
		})
		pause(t.Context(), time.Second)
		require.NoError(t, os.Remove(filler))
		if policy == "always" {
			eventually(t, 5*time.Second, "it goes on with a full disk", func() bool { return isDead(server.Client(t)) })
			server.Restart(t)
		}
	})
	s.account()
	server.Kill()
	server.Restart(t)
	s.account()
}

// unique are parameters of a proposal of which nobody hears whether it was accepted.
func (d *device) unique() []byte {
	key := nonce()
	d.history.note("alice", "proposes "+key, func() { d.history.tried[key] = true })
	return []byte(`{"nonce":"` + key + `"}`)
}

func isDead(c *redis.Client) bool { return c.Ping(context.Background()).Err() != nil }

// smallDisk mounts one, where the test may.
func smallDisk(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("only root may mount a small disk: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return dir
}

// fill writes until nothing more fits.
func fill(t testing.TB, name string) {
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
