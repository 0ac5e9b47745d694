package stores_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// site is a running store, and what a test does to it.
type site struct {
	url     string              // the URL for the gateway, with its user and password
	servers []*storetest.Server // all servers that hold data
	files   store.Config        // the names of the files with certificates

	// failOver kills the master that has the data of a tenant. It is nil without a replica.
	failOver func(t *testing.T, tenantID string)

	// rotate gives the gateway's user a new password, and returns the URL with it. It calls
	// replaced when the store accepts both passwords, and then withdraws the old one. It is nil
	// without a password.
	rotate func(t *testing.T, replaced func(url string))
}

// deployments are the kinds of stores.
var deployments = []struct {
	name  string
	start func(t *testing.T) *site
}{
	{"single server", startSingle},
	{"single server, restricted user, new password", startRestricted},
	{"single server, restricted user, TLS, client certificates", startTLS},
	{"Sentinel, restricted users, failover", startSentinel},
	{"Cluster, restricted users, failover", startCluster},
}

// TestStores runs the life of a command on each kind of store. It prints one line for each,
// which `make test-stores` collects.
func TestStores(t *testing.T) {
	t.Parallel()
	var all rights
	t.Run("life", func(t *testing.T) {
		for _, d := range deployments {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				s := d.start(t)
				version := s.version(t)
				t.Cleanup(func() { report(t, version, d.name, time.Since(began)) })
				s.live(t)
				all.add(t, s)
			})
		}
	})
	if all.sites < len(deployments) {
		return // a deployment failed or was not selected
	}
	t.Run("every right is used", func(t *testing.T) { all.requireUsed(t) })
}

// report prints the result of a deployment.
func report(t testing.TB, version, name string, took time.Duration) {
	result := "passed"
	if t.Failed() {
		result = "FAILED"
	}
	fmt.Printf("STORE | %s | %s | %s in %d s |\n", version, name, result, int(took.Round(time.Second).Seconds()))
}

// version returns the name and the version of the servers.
func (s *site) version(t testing.TB) string {
	t.Helper()
	text, err := s.servers[0].Client(t).Info(t.Context(), "server").Result()
	require.NoError(t, err)
	name := "Redis"
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch key {
		case "redis_version":
			name = "Redis " + value
		case "valkey_version":
			return "Valkey " + value
		}
	}
	return name
}

// live runs all steps of the life of a command at two instances.
func (s *site) live(t *testing.T) {
	iss := customertest.NewIssuer(t)
	start := func(url string) *gatewaytest.Gateway {
		g := gatewaytest.StartWithIssuer(t, iss, gatewaytest.WithRedis(url), func(cfg *gateway.Config) {
			cfg.AutoPipeline = true // as in `fieldgate serve`
			cfg.RedisCAFile, cfg.RedisCertFile, cfg.RedisKeyFile = s.files.CAFile, s.files.CertFile, s.files.KeyFile
		})
		g.Log.AllowErrors("repaired a violated invariant")
		return g
	}
	l := newLife(t, start(s.url), start(s.url))
	l.run(t)
	if s.rotate != nil {
		s.rotate(t, func(url string) {
			before := []*gatewaytest.Gateway{l.here, l.there}
			l.moveTo(start(url), start(url))
			for _, g := range before {
				require.NoError(t, g.Stop())
			}
		})
		t.Run("a new password", func(t *testing.T) { l.run(t) })
	}
	if s.failOver != nil {
		t.Run("a failover", func(t *testing.T) { l.surviveFailover(t, s) })
	}
	t.Run("lost scripts", func(t *testing.T) {
		s.forgetScripts(t)
		l.run(t)
	})
	t.Run("repairs", func(t *testing.T) { l.repair(t, s) })
}
