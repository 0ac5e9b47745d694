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

// TestKill_AgentGatewayOrRedisRunsNothingTwice kills the agent, the gateway or Redis at random
// times. Redis loses no acknowledged write, because it reads its append-only file after a
// restart.
func TestKill_AgentGatewayOrRedisRunsNothingTwice(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	d.writeScript(t, "note", fmt.Sprintf(`echo "$1" >> %q; sleep 0.0$2; echo "did $1"`, d.runLog()))
	d.agent = d.start(t, shortLease)
	var commands []client.Command
	for i := range kills(t) {
		commands = append(commands, d.proposeUntilAccepted(t, fmt.Sprintf("work-%d", i)))
		wait(mathrand.N(120 * time.Millisecond)) // a random time between the claim and the result
		d.restartRandom(t)
	}
	counts := map[client.CommandStatus]int{}
	for i := range commands {
		ended := d.awaitThroughRestarts(t, commands[i].ID) // in the order in which they run
		counts[ended.Status]++
		d.requireConsistent(t, fmt.Sprintf("work-%d", i), ended)
	}
	t.Logf("%d commands: %v, %v", len(commands), d.restarts, counts)
}

// A deployment is a testbed whose gateway and Redis are processes that can be killed.
type deployment struct {
	*testbed
	agent    *agent
	redis    *storetest.Server
	gateway  *exec.Cmd
	issuer   *customertest.Issuer
	addr     string
	restarts map[string]int
}

func newDeployment(t testing.TB) *deployment {
	t.Helper()
	d := &deployment{redis: storetest.Start(t), issuer: customertest.NewIssuer(t), addr: storetest.FreeAddr(t), restarts: map[string]int{}}
	d.serve(t)
	t.Cleanup(func() { d.killGateway() })
	api, err := client.New("http://" + d.addr)
	require.NoError(t, err)
	eventually(t, func() bool {
		ready, err := api.Readiness(t.Context())
		return err == nil && ready.Ready
	}, "the gateway does not start")
	d.testbed = newTestbed(t, &gatewaytest.Gateway{Gateway: api, URL: "http://" + d.addr, Issuer: d.issuer})
	return d
}

// serve starts the gateway, always at the same address.
func (d *deployment) serve(t testing.TB) {
	t.Helper()
	d.gateway = exec.Command(gatewayProgram(t), "serve")
	d.gateway.SysProcAttr = storetest.DieWithParent()
	d.gateway.Env = []string{
		"PATH=" + os.Getenv("PATH"), "FIELDGATE_REDIS_URL=" + d.redis.URL(), "FIELDGATE_SUPABASE_URL=" + d.issuer.URL(),
		"FIELDGATE_ADDR=" + d.addr, "FIELDGATE_METRICS_ADDR=off", "FIELDGATE_RATE_LIMITS=off", "FIELDGATE_POLICY=*=auto",
	}
	require.NoError(t, d.gateway.Start())
}

func (d *deployment) killGateway() {
	_ = d.gateway.Process.Kill()
	_ = d.gateway.Wait()
}

// restartRandom kills the agent, the gateway, Redis, or all three. After a random delay it
// restarts what it has killed.
func (d *deployment) restartRandom(t testing.TB) {
	t.Helper()
	target := []string{"agent", "gateway", "redis", "all"}[mathrand.IntN(4)]
	d.restarts[target]++
	all := target == "all"
	if all || target == "redis" {
		d.redis.Kill()
	}
	if all || target == "gateway" {
		d.killGateway()
	}
	if all || target == "agent" {
		d.agent.kill()
	}
	wait(mathrand.N(200 * time.Millisecond))
	if all || target == "redis" {
		d.redis.Restart(t)
	}
	if all || target == "gateway" {
		d.serve(t)
	}
	if all || target == "agent" {
		d.agent = d.start(t, shortLease)
	}
}

func wait(d time.Duration) { <-time.After(d) }

// proposeUntilAccepted proposes a run of the script, and repeats the request with the same
// idempotency key until the gateway has accepted it.
func (d *deployment) proposeUntilAccepted(t testing.TB, name string) (proposed client.Command) {
	t.Helper()
	if d.Session == "" {
		d.execute(t, "diagnostic.system", map[string]any{}) // the first proposal opens the session
	}
	key := client.WithIdempotencyKey(rand.Text())
	parameters := fmt.Appendf(nil, `{"name":"note","args":[%q,"%d"]}`, name, mathrand.IntN(10))
	eventually(t, func() (done bool) {
		var err error
		proposed, err = d.Alice.Propose(t.Context(), d.Session, client.ProposeCommandRequest{Type: runScript, Parameters: parameters}, key)
		return err == nil
	}, "the command is not accepted")
	return proposed
}

// awaitThroughRestarts waits until a command has ended, and returns the command. It waits up to
// two minutes, because a lease may have to expire first.
func (d *deployment) awaitThroughRestarts(t testing.TB, id string) (ended client.Command) {
	t.Helper()
	require.Eventually(t, func() bool {
		found, err := d.Alice.Command(t.Context(), d.Session, id)
		ended = found
		return err == nil && !found.FinishedAt.IsZero()
	}, 2*time.Minute, 20*time.Millisecond, "the command %s does not end: %s", id, d.agent.log.String())
	return ended
}

// buildGateway builds the gateway when it is first called, and returns the path of the binary.
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
