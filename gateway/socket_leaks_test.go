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

// churnSetting is the environment variable whose value is the number of sockets to open
// and close. TestChurn runs in a separate process, so that it does not count the
// goroutines and files of other tests. To run TestChurn with more sockets:
//
//	FIELDGATE_CHURN_SOCKETS=20000 go test -run '^TestChurn$' ./gateway
const churnSetting = "FIELDGATE_CHURN_SOCKETS"

func TestSockets_ChurnLeaksNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChurn$", "-test.v")
	cmd.Env = append(os.Environ(), churnSetting+"=2000")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestChurn counts the goroutines and open files of this process. It runs Redis in another
// process, because the test would also count those of the embedded store. After a busy
// time, the pool of connections to Redis may keep a few more connections than before.
func TestChurn(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv(churnSetting))
	if err != nil {
		t.Skip(churnSetting + " is not set")
	}
	g := gatewaytest.Start(t, gatewaytest.WithRedis(storetest.Start(t).URL()), func(cfg *gateway.Config) {
		cfg.Sockets = realtime.Config{MaxPerTenant: n}
	})
	f := newFleet(t, g)
	openAndClose(t, f, 50)
	goroutines, files := baseline(t, g, f)
	openAndClose(t, f, n)
	eventually(t, func() bool { return len(connections(t, g, f.tenantID)) == 0 }, "connections are left")
	eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+20 }, "goroutines are left")
	eventually(t, func() bool { return openFiles(t) <= files+20 }, "files are left")
	metrics := g.Metrics(t)
	require.Zero(t, metrics[`fieldgate_sockets{kind="device"}`])
	require.Zero(t, metrics[`fieldgate_sockets{kind="customer"}`])
	require.Zero(t, metrics["fieldgate_claims_waiting"])
}

// baseline waits until no socket is open and returns the numbers of goroutines and files.
func baseline(t testing.TB, g *gatewaytest.Gateway, f *fleet) (goroutines, files int) {
	t.Helper()
	eventually(t, func() bool { return len(connections(t, g, f.tenantID)) == 0 }, "connections are left")
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

// openAndClose opens n sockets, uses each and closes it in one of several ways.
func openAndClose(t testing.TB, f *fleet, n int) {
	t.Helper()
	const workers = 16
	token := f.Token(f.tenantID, "alice", "viewer")
	var all sync.WaitGroup
	for worker := range workers {
		d := f.Gateway.NewDevice(t, f.alice)
		login := f.Login(t, d)
		all.Go(func() {
			for i := worker; i < n; i += workers {
				if i%2 == 0 {
					closeInTurn(openWatcher(t, f, token), i)
				} else {
					closeInTurn(openClaimer(t, f, login), i)
				}
			}
		})
	}
	all.Wait()
}

// openWatcher opens a user's socket and resumes the tenant's room.
func openWatcher(t testing.TB, f *fleet, token string) *gatewaytest.Socket {
	s := f.OpenCustomer(t, token)
	s.Subscribe("tenant", "0-0")
	return s
}

// openClaimer opens a device's socket and starts a waiting claim on it.
func openClaimer(t testing.TB, f *fleet, token string) *gatewaytest.Socket {
	s := f.OpenDevice(t, token)
	s.StartRequest("claim", object{"waitMs": 30_000})
	return s
}

// closeInTurn closes a socket with a close frame, without one, or by breaking a rule.
func closeInTurn(s *gatewaytest.Socket, i int) {
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
