package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// Environment variables that turn the test binary into an instance. They hold the URLs of
// the store and of the issuer.
const (
	instanceStore  = "FIELDGATE_TEST_INSTANCE_STORE"
	instanceIssuer = "FIELDGATE_TEST_INSTANCE_ISSUER"
)

// withShortLeases makes the sockets of a killed instance expire within seconds. The default
// lease is 45 s.
var withShortLeases = withSockets(func(cfg *realtime.Config) { cfg.Lease, cfg.RenewEvery = 5*time.Second, 500*time.Millisecond })

// runInstance runs an instance in this process until the process is killed.
func runInstance() {
	cfg := gateway.Config{Addr: "127.0.0.1:0", RedisURL: os.Getenv(instanceStore), SupabaseURL: os.Getenv(instanceIssuer)}
	withShortLeases(&cfg)
	g, err := gateway.New(context.Background(), cfg)
	if err == nil {
		fmt.Println("serves " + g.Addr())
		err = g.Run(context.Background())
	}
	log.Fatal(err)
}

// startInstanceProcess starts an instance in a process of its own.
func startInstanceProcess(t testing.TB, iss *customertest.Issuer) (*gatewaytest.Gateway, *os.Process) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), instanceStore+"="+storetest.SharedURL(t), instanceIssuer+"="+iss.URL())
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), "serves "); ok {
			go func() { // discards the rest of the output
				for lines.Scan() {
				}
			}()
			url := "http://" + addr
			plain, err := client.New(url)
			require.NoError(t, err)
			return &gatewaytest.Gateway{Gateway: plain, URL: url, Issuer: iss}, cmd.Process
		}
	}
	require.Fail(t, "the instance does not serve")
	return nil, nil
}

func TestInstances_SocketsOfKilledInstanceExpire(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	t.Parallel()
	iss := customertest.NewIssuer(t)
	here := gatewaytest.StartWithIssuer(t, iss, gatewaytest.WithRedis(storetest.SharedURL(t)), withShortLeases)
	there, process := startInstanceProcess(t, iss)
	f := newFleet(t, here)
	events := f.customerSocket(t, here)
	device, user := f.deviceSocket(t, there), f.customerSocket(t, there)
	device.StartRequest("claim", object{"waitMs": 30_000})
	eventually(t, func() bool { return f.presence(t) == client.DevicePresenceOnline }, "the device is not online")
	events.Subscribe(f.deviceRoom(), "")
	afterLease := time.Now().Add(6 * time.Second)
	eventually(t, func() bool { return time.Now().After(afterLease) }, "the clock stands still")
	require.Len(t, connections(t, here, f.tenantID), 3, "leases were not renewed")
	require.EqualValues(t, "online", f.presence(t))

	require.NoError(t, process.Kill())
	require.Equal(t, 1006, device.CloseCode())
	require.Equal(t, 1006, user.CloseCode())
	eventually(t, func() bool { return len(connections(t, here, f.tenantID)) == 1 }, "sockets of the killed instance are still listed")
	eventually(t, func() bool { return f.presence(t) == client.DevicePresenceStale }, "the device is still online")
	e := events.Event()
	require.Equal(t, "device.presence", e.Type)
	require.Equal(t, "stale", e.Data["presence"])
	require.Equal(t, "system", e.Actor["kind"])

	reconnected := f.deviceSocket(t, here)
	require.Equal(t, "online", events.Event().Data["presence"])
	proposed := f.propose(t, auto)
	claimed := commands(t, reconnected.Request("claim", object{"waitMs": 1000}, nil).Data)
	require.Equal(t, proposed.ID, claimed[0].ID, "the claim at the killed instance took the command")
}

// TestInstances_SocketsOfPausedInstanceReappear pauses an instance until the leases of its
// sockets have expired. The connections stay open, so the sockets are listed again when the
// instance continues.
func TestInstances_SocketsOfPausedInstanceReappear(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	t.Parallel()
	iss := customertest.NewIssuer(t)
	here := gatewaytest.StartWithIssuer(t, iss, gatewaytest.WithRedis(storetest.SharedURL(t)), withShortLeases)
	there, process := startInstanceProcess(t, iss)
	f := newFleet(t, here)
	device, user := f.deviceSocket(t, there), f.customerSocket(t, there)
	require.NoError(t, process.Signal(syscall.SIGSTOP))
	eventually(t, func() bool { return len(connections(t, here, f.tenantID)) == 0 }, "sockets of the paused instance are still listed")
	require.NoError(t, process.Signal(syscall.SIGCONT))
	eventually(t, func() bool { return len(connections(t, here, f.tenantID)) == 2 }, "the sockets are not listed again")
	device.Barrier()
	user.Barrier()
	eventually(t, func() bool { return f.presence(t) == client.DevicePresenceOnline }, "the device is not online")
	require.NoError(t, process.Kill())
}
