package faults_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// program is what operators run.
var program = build("fieldgate", "install", "github.com/fieldgate/fieldgate/cmd/fieldgate")

// process is a gateway that is a process of its own, and can be killed.
type process struct {
	*exec.Cmd
	site  *site
	host  string // behind the balancer
	log   storetest.Text
	ended <-chan struct{}
}

// run starts `fieldgate serve` for the site, on a store.
func (s *site) run(storeURL string, settings ...string) *process {
	s.t.Helper()
	p := &process{Cmd: exec.Command(program(s.t), "serve"), site: s}
	p.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "FIELDGATE_REDIS_URL=" + storeURL, "FIELDGATE_SUPABASE_URL=" + s.people.URL(),
		"FIELDGATE_ADDR=127.0.0.1:0", "FIELDGATE_METRICS_ADDR=off", "FIELDGATE_RATE_LIMITS=off",
		"FIELDGATE_DRAIN_DELAY=1s", "FIELDGATE_DRAIN_WINDOW=0s",
	}, settings...)
	p.Stderr = &p.log
	p.ended = launch(s.t, p.Cmd)
	eventually(s.t, 20*time.Second, "a gateway does not start", func() bool { return p.logged("serving", "addr") != "" })
	p.host = p.logged("serving", "addr")
	s.balancer.add(p.host)
	return p
}

// logged finds a field of a line of the log.
func (p *process) logged(message, field string) string {
	for line := range strings.Lines(p.log.String()) {
		var said map[string]any
		if json.Unmarshal([]byte(line), &said) == nil && said["msg"] == message {
			value, _ := said[field].(string)
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

// kill ends the process at once, and takes it from the balancer.
func (p *process) kill() {
	_ = p.Process.Kill()
	<-p.ended
	p.site.balancer.remove(p.host)
}

// ready tells whether the process wants requests.
func (p *process) ready() bool {
	answer, err := http.Get("http://" + p.host + "/readyz")
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// newOutside starts a site whose gateways are processes: one over each address.
func newOutside(t testing.TB, p plan, direct patient, storeURLs ...string) (s *site, gateways []*process) {
	t.Helper()
	p.outside = true
	s = newSite(t, p, "", direct.Client)
	for _, url := range storeURLs {
		gateways = append(gateways, s.run(url))
	}
	s.settleIn()
	return s, gateways
}
