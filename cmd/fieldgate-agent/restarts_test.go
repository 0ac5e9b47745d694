package main_test

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// The promise of the agent holds whatever dies: itself, the gateway, or the store behind it.
// That comes back with what it has answered, as a Redis with a file of what it appends does.
func TestWhateverDiesNothingIsDoneTwiceAndEverythingIsReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(t, "note", fmt.Sprintf(`echo "$1" >> %q; sleep 0.0$2; echo "did $1"`, w.done()))
	w.device = w.start(t)
	proposed := map[string]client.Command{}
	for i := range kills(t) {
		name := fmt.Sprintf("work-%d", i)
		proposed[name] = w.order(t, name)
		wait(mathrand.N(120 * time.Millisecond)) // anywhere between the claim and the report
		w.strike(t)
	}
	counts := map[client.CommandStatus]int{}
	for name, command := range proposed {
		ended := w.outcome(t, command.ID)
		counts[ended.Status]++
		w.requireHonest(t, name, ended)
	}
	t.Logf("%d deaths: %v, %v", len(proposed), w.deaths, counts)
}

// world is a site whose gateway and store are processes, and may die like its device.
type world struct {
	*site
	device  *agent
	redis   *storetest.Server
	gateway *exec.Cmd
	people  *customertest.Issuer
	addr    string
	deaths  map[string]int
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{redis: storetest.Start(t), people: customertest.NewIssuer(t), addr: storetest.FreeAddr(t), deaths: map[string]int{}}
	w.serve(t)
	t.Cleanup(func() { w.killGateway() })
	gate, err := client.New("http://" + w.addr)
	require.NoError(t, err)
	eventually(t, func() bool {
		ready, err := gate.Readiness(t.Context())
		return err == nil && ready.Ready
	}, "the gateway does not start")
	w.site = newSite(t, &gatewaytest.Gateway{Gateway: gate, URL: "http://" + w.addr, Issuer: w.people})
	return w
}

// serve starts the gateway, always at the same address.
func (w *world) serve(t testing.TB) {
	t.Helper()
	w.gateway = exec.Command(gatewayProgram(t), "serve")
	w.gateway.SysProcAttr = storetest.DieWithParent()
	w.gateway.Env = []string{
		"PATH=" + os.Getenv("PATH"), "FIELDGATE_REDIS_URL=" + w.redis.URL(), "FIELDGATE_SUPABASE_URL=" + w.people.URL(),
		"FIELDGATE_ADDR=" + w.addr, "FIELDGATE_METRICS_ADDR=off", "FIELDGATE_RATE_LIMITS=off", "FIELDGATE_POLICY=*=auto",
	}
	require.NoError(t, w.gateway.Start())
}

func (w *world) killGateway() {
	_ = w.gateway.Process.Kill()
	_ = w.gateway.Wait()
}

// strike kills one of the three, or all, and starts it again after a while.
func (w *world) strike(t testing.TB) {
	t.Helper()
	who := []string{"agent", "gateway", "redis", "all"}[mathrand.IntN(4)]
	w.deaths[who]++
	all := who == "all"
	if all || who == "redis" {
		w.redis.Kill()
	}
	if all || who == "gateway" {
		w.killGateway()
	}
	if all || who == "agent" {
		w.device.kill()
	}
	wait(mathrand.N(200 * time.Millisecond))
	if all || who == "redis" {
		w.redis.Restart(t)
	}
	if all || who == "gateway" {
		w.serve(t)
	}
	if all || who == "agent" {
		w.device = w.start(t)
	}
}

func wait(d time.Duration) { <-time.After(d) }

// order proposes a piece of work once, however often that has to be tried.
func (w *world) order(t testing.TB, name string) (made client.Command) {
	t.Helper()
	if w.session == "" {
		w.ask(t, "diagnostic.system", map[string]any{}) // opens one
	}
	key := client.WithIdempotencyKey(rand.Text())
	parameters := fmt.Appendf(nil, `{"name":"note","args":[%q,"%d"]}`, name, mathrand.IntN(10))
	eventually(t, func() (done bool) {
		var err error
		made, err = w.alice.Propose(t.Context(), w.session, client.ProposeCommandRequest{Type: runScript, Parameters: parameters}, key)
		return err == nil
	}, "nothing can be proposed")
	return made
}

// outcome waits for the end of a command, which may have to wait for a lease to run out.
func (w *world) outcome(t testing.TB, id string) (ended client.Command) {
	t.Helper()
	require.Eventually(t, func() bool {
		found, err := w.alice.Command(t.Context(), w.session, id)
		ended = found
		return err == nil && !found.FinishedAt.IsZero()
	}, 2*time.Minute, 20*time.Millisecond, "an outcome does not arrive: %s %s", id, w.device.log.String())
	return ended
}

// buildGateway builds what operators run, when it is first asked for.
var buildGateway = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(program), "fieldgate")
	out, err := exec.Command("go", "build", "-o", path, "github.com/fieldgate/fieldgate/cmd/fieldgate").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the gateway: %w\n%s", err, out)
	}
	return path, nil
})

func gatewayProgram(t testing.TB) string {
	t.Helper()
	path, err := buildGateway()
	require.NoError(t, err)
	return path
}
