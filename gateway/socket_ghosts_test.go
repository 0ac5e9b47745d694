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

// What an instance in a process of its own is told in its environment: where the
// store and the issuer are.
const (
	instanceStore  = "FIELDGATE_TEST_INSTANCE_STORE"
	instanceIssuer = "FIELDGATE_TEST_INSTANCE_ISSUER"
)

// shortLeases has an instance that died forgotten within seconds; 45 by default.
var shortLeases = withSockets(func(cfg *realtime.Config) { cfg.Lease, cfg.RenewEvery = 2*time.Second, 500*time.Millisecond })

// beInstance makes the process an instance, which a test has started to kill it.
func beInstance() {
	cfg := gateway.Config{Addr: "127.0.0.1:0", RedisURL: os.Getenv(instanceStore), SupabaseURL: os.Getenv(instanceIssuer)}
	shortLeases(&cfg)
	g, err := gateway.New(context.Background(), cfg)
	if err == nil {
		fmt.Println("serves " + g.Addr())
		err = g.Run(context.Background())
	}
	log.Fatal(err)
}

// startInstance starts an instance in a process of its own.
func startInstance(t testing.TB, people *customertest.Issuer) (*gatewaytest.Gateway, *os.Process) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), instanceStore+"="+storetest.SharedURL(t), instanceIssuer+"="+people.URL())
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), "serves "); ok {
			go func() { // what it says further
				for lines.Scan() {
				}
			}()
			url := "http://" + addr
			plain, err := client.New(url)
			require.NoError(t, err)
			return &gatewaytest.Gateway{Gateway: plain, URL: url, Issuer: people}, cmd.Process
		}
	}
	require.Fail(t, "the instance does not serve")
	return nil, nil
}

func TestInstances_SocketsOfKilledInstanceExpire(t *testing.T) {
	t.Parallel()
	people := customertest.NewIssuer(t)
	here := gatewaytest.StartWithIssuer(t, people, gatewaytest.WithRedis(storetest.SharedURL(t)), shortLeases)
	there, process := startInstance(t, people)
	f := newFleet(t, here)
	events := f.watch(t, here)
	device, person := f.socket(t, there), f.watch(t, there)
	device.StartRequest("claim", object{"waitMs": 30_000})
	eventually(t, func() bool { return f.presence(t) == client.DevicePresenceOnline }, "the device is not there")
	events.Subscribe(f.deviceRoom(), "")
	lives := time.Now().Add(3 * time.Second)
	eventually(t, func() bool { return time.Now().After(lives) }, "time stands still")
	require.Len(t, connections(t, here, f.customer), 3, "leases are renewed")
	require.EqualValues(t, "online", f.presence(t))

	require.NoError(t, process.Kill())
	require.Equal(t, 1006, device.CloseCode())
	require.Equal(t, 1006, person.CloseCode())
	killed := time.Now()
	eventually(t, func() bool { return len(connections(t, here, f.customer)) == 1 }, "ghosts are listed")
	eventually(t, func() bool { return f.presence(t) == client.DevicePresenceStale }, "a ghost is online")
	e := events.Event()
	require.Equal(t, "device.presence", e.Type)
	require.Equal(t, "stale", e.Data["presence"])
	require.Equal(t, "system", e.Actor["kind"])
	require.Less(t, time.Since(killed), 5*time.Second)

	back := f.socket(t, here)
	require.Equal(t, "online", events.Event().Data["presence"])
	proposed := f.propose(t, auto)
	require.Equal(t, proposed.ID, commands(t, back.Request("claim", object{"waitMs": 1000}, nil).Data)[0].ID, "the claim that waited took nothing along")
}

// The instance was not killed, it only stood still: when it goes on, its sockets are
// there again.
func TestInstances_SocketsOfPausedInstanceReappear(t *testing.T) {
	t.Parallel()
	people := customertest.NewIssuer(t)
	here := gatewaytest.StartWithIssuer(t, people, gatewaytest.WithRedis(storetest.SharedURL(t)), shortLeases)
	there, process := startInstance(t, people)
	f := newFleet(t, here)
	device, person := f.socket(t, there), f.watch(t, there)
	require.NoError(t, process.Signal(syscall.SIGSTOP))
	eventually(t, func() bool { return len(connections(t, here, f.customer)) == 0 }, "it is listed still")
	require.NoError(t, process.Signal(syscall.SIGCONT))
	eventually(t, func() bool { return len(connections(t, here, f.customer)) == 2 }, "it is not listed again")
	device.Barrier()
	person.Barrier()
	eventually(t, func() bool { return f.presence(t) == client.DevicePresenceOnline }, "the device is not there")
	require.NoError(t, process.Kill())
}
