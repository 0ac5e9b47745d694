package gateway_test

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// churning, when set, is how many sockets are opened and closed, in a process of
// their own: what other tests do would be counted too.
//
//	FIELDGATE_CHURN_SOCKETS=20000 go test -run '^TestChurn$' ./gateway
const churning = "FIELDGATE_CHURN_SOCKETS"

func TestSockets_ChurnLeaksNothing(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChurn$", "-test.v")
	cmd.Env = append(os.Environ(), churning+"=2000")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestChurn uses a Redis of its own, which has its connections in another process. Ours
// has a few more of them the more it had to do at a time.
func TestChurn(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv(churning))
	if err != nil {
		t.Skip(churning + " is not set")
	}
	g := gatewaytest.Start(t, gatewaytest.WithRedis(storetest.Start(t).URL()), func(cfg *gateway.Config) {
		cfg.Sockets = realtime.Config{MaxPerTenant: n}
	})
	f := newFleet(t, g)
	comeAndGo(t, f, 50)
	goroutines, files := settled(t, g, f)
	comeAndGo(t, f, n)
	eventually(t, func() bool { return len(connections(t, g, f.customer)) == 0 }, "connections are left")
	eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+20 }, "goroutines are left")
	eventually(t, func() bool { return openFiles(t) <= files+20 }, "files are left")
	metrics := g.Metrics(t)
	require.Zero(t, metrics[`fieldgate_sockets{kind="device"}`])
	require.Zero(t, metrics[`fieldgate_sockets{kind="customer"}`])
	require.Zero(t, metrics["fieldgate_claims_waiting"])
}

// settled gives what there is when no socket is open.
func settled(t testing.TB, g *gatewaytest.Gateway, f *fleet) (goroutines, files int) {
	t.Helper()
	eventually(t, func() bool { return len(connections(t, g, f.customer)) == 0 }, "connections are left")
	return runtime.NumGoroutine(), openFiles(t)
}

func openFiles(t testing.TB) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("files cannot be counted here")
	}
	return len(files)
}

// comeAndGo opens n sockets, each of which does something and ends in some way.
func comeAndGo(t testing.TB, f *fleet, n int) {
	t.Helper()
	const places = 16
	token := f.Token(f.customer, "alice", "viewer")
	var all sync.WaitGroup
	for place := range places {
		d := f.Gateway.NewDevice(t, f.alice)
		login := f.Login(t, d)
		all.Go(func() {
			for i := place; i < n; i += places {
				if i%2 == 0 {
					leaveSomehow(aWatcher(t, f, token), i)
				} else {
					leaveSomehow(aClaimer(t, f, login), i)
				}
			}
		})
	}
	all.Wait()
}

func aWatcher(t testing.TB, f *fleet, token string) *gatewaytest.Socket {
	s := f.OpenCustomer(t, token)
	s.Subscribe("tenant", "0-0")
	return s
}

func aClaimer(t testing.TB, f *fleet, token string) *gatewaytest.Socket {
	s := f.OpenDevice(t, token)
	s.StartRequest("claim", object{"waitMs": 30_000})
	return s
}

func leaveSomehow(s *gatewaytest.Socket, i int) {
	switch i % 3 {
	case 0:
		s.Close()
	case 1:
		s.Drop()
	default:
		s.SendBinary(nil)
		s.CloseCode()
		s.Drop()
	}
}
