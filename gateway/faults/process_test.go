package faults_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// gatewayProgram builds the gateway's program.
var gatewayProgram = buildTool("fieldgate", "install", "github.com/fieldgate/fieldgate/cmd/fieldgate")

// process is a gateway in a process of its own, which can be killed.
type process struct {
	*exec.Cmd
	site   *site
	host   string // address at which the balancer reaches the gateway
	log    storetest.Buffer
	exited <-chan struct{}
}

// startProcess starts `fieldgate serve` on a store and adds it to the balancer.
func (s *site) startProcess(storeURL string, settings ...string) *process {
	s.t.Helper()
	return s.startProgram(gatewayProgram(s.t), storeURL, settings...)
}

// startProgram is like startProcess, but runs a given program, which may be of another version.
func (s *site) startProgram(program, storeURL string, settings ...string) *process {
	s.t.Helper()
	p := &process{Cmd: exec.Command(program, "serve"), site: s}
	p.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "FIELDGATE_REDIS_URL=" + storeURL, "FIELDGATE_SUPABASE_URL=" + s.iss.URL(),
		"FIELDGATE_ADDR=127.0.0.1:0", "FIELDGATE_METRICS_ADDR=off", "FIELDGATE_RATE_LIMITS=off",
		"FIELDGATE_DRAIN_DELAY=3s", "FIELDGATE_DRAIN_WINDOW=0s",
		"FIELDGATE_REDIS_FUNCTIONS=" + strconv.FormatBool(!storetest.WithoutFunctions()),
	}, settings...)
	p.Stderr = &p.log
	p.exited = startProgram(s.t, p.Cmd)
	eventually(s.t, 20*time.Second, "a gateway does not start", func() bool { return p.logField("serving", "addr") != "" })
	p.host = p.logField("serving", "addr")
	s.balancer.add(p.host)
	return p
}

// logField returns a field of the first log line with a message.
func (p *process) logField(message, field string) string {
	for line := range strings.Lines(p.log.String()) {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == message {
			value, _ := entry[field].(string)
			return value
		}
	}
	return ""
}

// signal sends the process a signal.
func (p *process) signal(sig syscall.Signal) {
	p.site.t.Helper()
	require.NoError(p.site.t, p.Process.Signal(sig))
}

// kill kills the process and removes it from the balancer.
func (p *process) kill() {
	_ = p.Process.Kill()
	<-p.exited
	p.site.balancer.remove(p.host)
}

// drain stops the process as a rolling deployment does, and removes it from the balancer as soon
// as it is not ready.
func (p *process) drain() {
	t := p.site.t
	t.Helper()
	p.signal(syscall.SIGTERM)
	eventually(t, 20*time.Second, "the gateway does not report that it drains", func() bool { return !p.isReady() })
	p.site.balancer.remove(p.host)
	<-p.exited
	require.Zero(t, p.ProcessState.ExitCode(), p.log.String())
}

// isReady reports whether the process responds that it is ready.
func (p *process) isReady() bool {
	response, err := http.Get("http://" + p.host + "/readyz")
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// newProcessSite starts a site whose gateways are processes, one for each store URL.
func newProcessSite(t testing.TB, p plan, direct faultyRedis, storeURLs ...string) (s *site, gateways []*process) {
	t.Helper()
	p.ownProcesses = true
	s = newSite(t, p, "", direct.Client)
	for _, url := range storeURLs {
		gateways = append(gateways, s.startProcess(url))
	}
	s.registerAll()
	return s, gateways
}
