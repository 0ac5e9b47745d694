package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// runCommand runs a command of the operator on the store at url, and returns its output. The log
// of the test gets what the command prints besides.
func runCommand(t testing.TB, url string, arguments ...string) (string, error) {
	t.Helper()
	var cli Command
	out := new(bytes.Buffer)
	parsed, err := newParser(t, &cli, kong.Writers(out, t.Output())).Parse(append(arguments, "--redis-url="+url))
	require.NoError(t, err)
	parsed.BindTo(context.Context(t.Context()), (*context.Context)(nil))
	err = parsed.Run()
	return out.String(), err
}

func newParser(t testing.TB, cli *Command, options ...kong.Option) *kong.Kong {
	t.Helper()
	parser, err := kong.New(cli, options...)
	require.NoError(t, err)
	return parser
}

// These are types of commands. The default policy requires approval for the second type.
const (
	auto   = "diagnostic.dns"
	review = "config.set"
)

// installation is a gateway with a Redis of its own and one tenant. The tenant has a device, Pump
// 7, with an open session of alice.
type installation struct {
	*gatewaytest.Gateway
	t        testing.TB
	server   *storetest.Server
	tenantID string
	alice    *client.CustomerClient
	device   gatewaytest.Device
	session  string
}

// newInstallation starts a gateway that writes nothing by itself while a test compares dumps.
func newInstallation(t testing.TB, changes ...func(*gateway.Config)) *installation {
	t.Helper()
	server := storetest.Start(t)
	quiet := func(cfg *gateway.Config) {
		cfg.ReconcileInterval, cfg.Sockets.Lease, cfg.Sockets.RenewEvery = time.Hour, 2*time.Hour, time.Hour
	}
	g := gatewaytest.Start(t, append(changes, gatewaytest.WithRedis(server.URL()), quiet)...)
	i := &installation{Gateway: g, t: t, server: server, tenantID: "acme"}
	i.alice = g.User(i.tenantID, "alice", "admin")
	i.device = g.NewDevice(t, i.alice)
	i.session = i.openSession(i.device)
	return i
}

// tenant returns the tenant as the operator writes it.
func (i *installation) tenant() string { return gatewaytest.TenantOf(i.tenantID) }

func (i *installation) openSession(d gatewaytest.Device) string {
	i.t.Helper()
	opened, err := i.alice.OpenSession(i.t.Context(), client.OpenSessionRequest{DeviceID: d.ID, Type: "remediation"})
	require.NoError(i.t, err)
	return opened.ID
}

func (i *installation) propose(commandType string) client.Command {
	i.t.Helper()
	proposed, err := i.alice.Propose(client.ContextWithRequestID(i.t.Context(), "ticket-4711"), i.session,
		client.ProposeCommandRequest{Type: commandType, Parameters: json.RawMessage(`{"host":"example.com"}`)})
	require.NoError(i.t, err)
	return proposed
}

func (i *installation) claim() client.ClaimedCommand {
	i.t.Helper()
	claimed, err := i.device.Claim(i.t.Context(), client.ClaimRequest{VisibilityTimeoutMs: int(time.Hour.Milliseconds())})
	require.NoError(i.t, err)
	require.Len(i.t, claimed, 1)
	return claimed[0]
}

// run runs a command that must succeed.
func (i *installation) run(arguments ...string) string {
	i.t.Helper()
	out, err := runCommand(i.t, i.server.URL(), arguments...)
	require.NoError(i.t, err, strings.Join(arguments, " "))
	return out
}

// runJSON runs a command with --json, and returns the objects that it prints.
func (i *installation) runJSON(arguments ...string) (objects []map[string]any) {
	i.t.Helper()
	decoder := json.NewDecoder(strings.NewReader(i.run(append(arguments, "--json")...)))
	for decoder.More() {
		var object map[string]any
		require.NoError(i.t, decoder.Decode(&object))
		objects = append(objects, object)
	}
	return objects
}

// renewed are the keys that a running instance writes again and again.
var renewed = []string{"fg:canary", "fg:patrol", "fg:patrol:round", "fg:survey", "fg:survey:turn"}

// dump returns the content of the store, without the renewed keys.
func (i *installation) dump() map[string]string {
	i.t.Helper()
	dump := storetest.Dump(i.t, i.server)
	maps.DeleteFunc(dump, func(key, _ string) bool { return slices.Contains(renewed, key) })
	return dump
}

// requireUnchanged requires that a command with these arguments writes nothing.
func (i *installation) requireUnchanged(arguments ...string) string {
	i.t.Helper()
	before := i.dump()
	out := i.run(arguments...)
	require.Equal(i.t, before, i.dump(), strings.Join(arguments, " "))
	return out
}

// requireNotFound requires that a command ends with the exit code of an unknown id.
func (i *installation) requireNotFound(arguments ...string) {
	i.t.Helper()
	_, err := runCommand(i.t, i.server.URL(), arguments...)
	var coded kong.ExitCoder
	require.ErrorAs(i.t, err, &coded, strings.Join(arguments, " "))
	require.Equal(i.t, 3, coded.ExitCode())
}

func eventually(t testing.TB, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, 5*time.Millisecond, what)
}
