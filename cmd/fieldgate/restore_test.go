package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// rehearsal returns the commands with this name of a guide, such as "operations".
func rehearsal(t testing.TB, guide, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/guides/" + guide + ".md")
	require.NoError(t, err)
	_, block, found := strings.Cut(string(text), "<!-- rehearsed: "+name+" -->\n```sh\n")
	require.True(t, found, "the guide has no commands to %s", name)
	commands, _, found := strings.Cut(block, "\n```\n")
	require.True(t, found)
	return commands
}

// machine is a machine of the operator: a configuration of Redis and a directory for its data.
type machine struct {
	addr, data, conf string
	work             string // the directory of the shell, which the machines of a test share
}

func newMachine(t testing.TB, work string, settings ...string) machine {
	t.Helper()
	m := machine{addr: storetest.FreeAddr(t), data: t.TempDir(), work: work}
	m.conf = filepath.Join(m.data, "redis.conf")
	_, port, err := net.SplitHostPort(m.addr)
	require.NoError(t, err)
	conf := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\npidfile %s/pid\nlogfile %s/log\nappendonly yes\nappendfsync always\nsave \"\"\n",
		port, m.data, m.data, m.data) + strings.Join(settings, "\n") + "\n"
	require.NoError(t, os.WriteFile(m.conf, []byte(conf), 0o600))
	t.Cleanup(func() {
		m.stop(t)
		// The server may still write while it ends.
		require.Eventually(t, func() bool { return os.RemoveAll(m.data) == nil }, 10*time.Second, 10*time.Millisecond)
	})
	return m
}

func (m machine) url() string { return "redis://" + m.addr }

func (m machine) client(t testing.TB) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: m.addr, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// stop ends the server at once, without a last write to its disk.
func (m machine) stop(t testing.TB) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: m.addr, MaxRetries: -1})
	defer c.Close()
	c.ShutdownNoSave(context.WithoutCancel(t.Context()))
}

// run runs commands in a shell, with the variables that the guide names.
func (m machine) run(t testing.TB, commands string, settings ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", commands)
	cmd.Dir = m.work
	cmd.Env = append([]string{
		"PATH=" + filepath.Dir(program) + ":" + os.Getenv("PATH"),
		"REDIS=" + m.url(), "DATA=" + m.data, "CONF=" + m.conf, "FIELDGATE_REDIS_URL=" + m.url(),
	}, settings...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", commands, out)
	return string(out)
}

// party calls a gateway, as a user and as devices.
type party struct {
	*client.Gateway
	alice *client.CustomerClient
}

func newParty(t testing.TB, iss *customertest.Issuer, url string) party {
	t.Helper()
	g, err := client.New(url)
	require.NoError(t, err)
	token := iss.Token(issuer.Claims{Subject: "alice", TenantID: "acme", Role: "admin"})
	return party{g, g.Customer(client.Bearer(token))}
}

func (p party) register(t testing.TB) client.RegisteredDevice {
	t.Helper()
	provisioned, err := p.alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 7"})
	require.NoError(t, err)
	registered, err := p.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: provisioned.ActivationCode})
	require.NoError(t, err)
	return registered
}

func (p party) openSession(t testing.TB, device string) string {
	t.Helper()
	opened, err := p.alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: device, Type: "diagnostic"})
	require.NoError(t, err)
	return opened.ID
}

func (p party) propose(ctx context.Context, session string) error {
	_, err := p.alice.Propose(ctx, session, client.ProposeCommandRequest{Type: "diagnostic.dns", Parameters: json.RawMessage(`{}`)})
	return err
}

// runNext claims the next command and submits its result.
func runNext(ctx context.Context, d *client.DeviceClient) error {
	claimed, err := d.Claim(ctx, client.ClaimRequest{})
	for _, c := range claimed {
		_, err = d.SubmitResult(ctx, c.ID, client.ResultRequest{ClaimToken: c.ClaimToken, Status: client.ResultStatusSucceeded, Output: "done"})
	}
	return err
}

// TestRestore_RehearsesGuide loses a Redis and restores it with the commands of the operations
// guide, from a backup that was taken while a device worked. The store must then be verified, and
// the device must log in and claim again.
func TestRestore_RehearsesGuide(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"rdb", "aof"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			iss, work := customertest.NewIssuer(t), t.TempDir()
			lost, restored := newMachine(t, work), newMachine(t, work, slowLoad[kind]...)
			lost.run(t, `redis-server "$CONF" --daemonize yes; until redis-cli -u "$REDIS" PING; do :; done`)
			p, url := serve(t, "FIELDGATE_REDIS_URL="+lost.url(), "FIELDGATE_SUPABASE_URL="+iss.URL())
			before := newParty(t, iss, url)
			device := before.register(t)
			session := before.openSession(t, device.DeviceID)
			stop := workOn(t, before, before.Device(device.DeviceID, device.DeviceSecret), session)
			lost.run(t, rehearsal(t, "operations", "back up "+kind))
			stop()
			late := before.register(t)
			store := "FIELDGATE_STORE_ID=" + lost.client(t).HGet(t.Context(), "fg:meta", "store_id").Val()
			require.NoError(t, p.cmd.Process.Kill())
			lost.stop(t)

			restored.run(t, rehearsal(t, "operations", "restore "+kind))
			out := restored.run(t, rehearsal(t, "operations", "check"), store)
			require.Regexp(t, `active sessions: +1\n`, out)
			require.Regexp(t, `persistence +ok`, out)
			require.Contains(t, out, "what changed since then is lost")
			require.Regexp(t, `nothingLost +0`, out)

			_, url = serve(t, "FIELDGATE_REDIS_URL="+restored.url(), "FIELDGATE_SUPABASE_URL="+iss.URL(), store)
			after := newParty(t, iss, url)
			found, err := after.alice.Session(t.Context(), session)
			require.NoError(t, err)
			require.Equal(t, client.SessionStatusClosed, found.Status)
			again := after.Device(device.DeviceID, device.DeviceSecret)
			next := after.openSession(t, device.DeviceID)
			require.NoError(t, after.propose(t.Context(), next))
			require.NoError(t, runNext(t.Context(), again))
			done, err := after.alice.Commands(t.Context(), next, client.ListCommandsParams{})
			require.NoError(t, err)
			require.Len(t, done.Items, 1)
			require.Equal(t, client.CommandStatusSucceeded, done.Items[0].Status)
			_, err = after.Device(late.DeviceID, late.DeviceSecret).Heartbeat(t.Context(), client.HeartbeatRequest{Status: "ok"})
			require.Error(t, err, "the device registered after the backup")
		})
	}
}

// slowLoad are settings with which Redis loads a backup for some seconds and replies meanwhile, so
// that the commands of the guide have to wait. From a small append-only file, it replies only when
// it has loaded it.
var slowLoad = map[string][]string{"rdb": {"key-load-delay 30000", "loading-process-events-interval-bytes 1024"}}

// workOn lets a user propose commands and a device run them until the returned function is called.
// It returns after the first of them.
func workOn(t testing.TB, p party, d *client.DeviceClient, session string) (stop func()) {
	t.Helper()
	require.NoError(t, p.propose(t.Context(), session))
	require.NoError(t, runNext(t.Context(), d))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for p.propose(ctx, session) == nil && runNext(ctx, d) == nil {
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}
