package supabase_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// served is a gateway that runs as `fieldgate serve`.
type served struct {
	*client.Gateway
	url string
	log *gatewaytest.Log
	t   testing.TB
}

// gatewaySettings returns the settings of a gateway for the users of the project. The given
// settings replace them.
func (p *project) gatewaySettings(settings ...string) []string {
	return append([]string{
		"FIELDGATE_SUPABASE_URL=" + p.URL, "FIELDGATE_SUPABASE_ANON_KEY=" + p.publishable,
		"FIELDGATE_ADDR=127.0.0.1:0", "FIELDGATE_METRICS_ADDR=127.0.0.1:0", "FIELDGATE_RATE_LIMITS=off",
		"FIELDGATE_LOG_LEVEL=debug", "FIELDGATE_DRAIN_DELAY=0s", "FIELDGATE_DRAIN_WINDOW=0s",
	}, settings...)
}

// serve starts a gateway for the users of the project, which is ready.
func (p *project) serve(settings ...string) *served {
	t := p.t
	t.Helper()
	g := &served{log: new(gatewaytest.Log), t: t}
	cmd := exec.Command(programs.fieldgate, "serve")
	cmd.Env = p.gatewaySettings(append(settings, "FIELDGATE_REDIS_URL="+storetest.Start(t).URL())...)
	cmd.Stderr, cmd.SysProcAttr = g.log, storetest.DieWithParent()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(t, "the gateway serves", func() bool {
		for _, line := range g.log.Lines("serving", "") {
			g.url = "http://" + line["addr"].(string)
		}
		return g.url != ""
	})
	var err error
	g.Gateway, err = client.New(g.url)
	require.NoError(t, err)
	return g
}

// user returns a client with a token.
func (g *served) user(token string) *client.CustomerClient { return g.Customer(client.Bearer(token)) }

// me returns what the gateway has read from a token, which it must accept.
func (g *served) me(token string) client.Me {
	g.t.Helper()
	me, err := g.user(token).Me(g.t.Context())
	require.NoError(g.t, err, "%s", g.log)
	return me
}

// requireRefused requires that the gateway refuses a token with a code, and that the log has the
// reason.
func (g *served) requireRefused(token string, code client.ProblemCode, reason string) {
	g.t.Helper()
	_, err := g.user(token).Me(g.t.Context())
	require.Equal(g.t, code, client.CodeOf(err), "%v", err)
	if reason != "" {
		g.requireLogged(`"reason":"` + reason + `"`)
	}
}

// requireLogged waits until the log of the gateway contains a text.
func (g *served) requireLogged(text string) {
	g.t.Helper()
	if !assert.Eventually(g.t, func() bool { return strings.Contains(g.log.String(), text) }, time.Minute, 20*time.Millisecond) {
		require.Fail(g.t, "the log does not contain "+text, "%s", g.log)
	}
}

// doctor runs `fieldgate doctor` with a token, and returns its findings and whether it succeeded.
func (p *project) doctor(token string, settings ...string) (findings string, ok bool) {
	p.t.Helper()
	cmd := exec.Command(programs.fieldgate, "doctor", "--token", "-")
	cmd.Env = p.gatewaySettings(append(settings, "FIELDGATE_REDIS_URL=redis://127.0.0.1:1")...)
	cmd.Stdin = strings.NewReader(token)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err == nil
}

// refuseToStart runs `fieldgate serve` with settings that it must refuse, and returns its log.
func (p *project) refuseToStart(settings ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), programs.fieldgate, "serve")
	cmd.Env = p.gatewaySettings(append(settings, "FIELDGATE_REDIS_URL=redis://127.0.0.1:1")...)
	out, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	require.ErrorAs(p.t, err, &failed, "%s", out)
	return string(out)
}
