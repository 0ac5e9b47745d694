package measure

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// largeTenant is a tenant whose lists are long: a session with finished commands, commands that
// wait for approval, and devices.
type largeTenant struct {
	id      string
	session string
	unit    unit
	waiting []string // devices that wait for commands
}

// newLargeTenant creates a large tenant at prepared. Its device sends requests to at.
func newLargeTenant(t testing.TB, prepared, at *site, size abuse) *largeTenant {
	t.Helper()
	l := &largeTenant{id: gatewaytest.NewTenantID()}
	l.unit = newUnit(t, prepared, prepared, l.id)
	l.session = l.unit.session
	admin := prepared.User(l.id, "alice", "admin")
	l.finishCommands(t, admin, size.commands)
	for left := size.commands; left > 0; left -= 100 { // a device has at most 100 pending commands
		proposeLarge(t, admin, newUnit(t, prepared, prepared, l.id).session, min(left, 100))
	}
	provision(t, admin, size.devices)
	l.unit.url = at.child.URL
	return l
}

// finishCommands proposes commands with the largest parameters that a list carries, and submits
// results of 256 KiB.
func (l *largeTenant) finishCommands(t testing.TB, admin *client.CustomerClient, n int) {
	t.Helper()
	output := strings.Repeat("x", 256<<10)
	for range n {
		_, err := admin.Propose(t.Context(), l.session, client.ProposeCommandRequest{Type: "diagnostic.dns", Parameters: parametersOf(4 << 10)})
		require.NoError(t, err)
		_, response := l.unit.do("POST", "/api/v1/device/commands/claim", `{}`)
		var got claimed
		require.NoError(t, json.Unmarshal(response, &got))
		require.Len(t, got.Commands, 1)
		status, response := l.unit.do("POST", "/api/v1/device/commands/"+got.Commands[0].ID+"/result",
			`{"claimToken":"`+got.Commands[0].ClaimToken+`","status":"succeeded","output":"`+output+`"}`)
		require.Equal(t, http.StatusOK, status, "%s", response)
	}
}

// proposeLarge proposes commands that need an approval, with parameters of 31 KiB.
func proposeLarge(t testing.TB, admin *client.CustomerClient, session string, n int) {
	t.Helper()
	for range n {
		_, err := admin.Propose(t.Context(), session, client.ProposeCommandRequest{Type: "service.restart", Parameters: parametersOf(31 << 10)})
		require.NoError(t, err)
	}
}

// parametersOf returns parameters of a size in bytes, with many small values.
func parametersOf(size int) json.RawMessage {
	const value = `{"n":12345,"s":"abc"},`
	return json.RawMessage(`{"a":[` + strings.Repeat(value, (size-16)/len(value)) + `0]}`)
}

// provision provisions devices, a few at a time.
func provision(t testing.TB, admin *client.CustomerClient, n int) {
	t.Helper()
	tags := client.Tags{"site": "berlin", "line": "two", "owner": "operations"}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := worker; i < n; i += 8 {
				_, err := admin.Provision(t.Context(), client.ProvisionDeviceRequest{Name: fmt.Sprint("Pump ", i), Tags: tags})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// heavyReads are the reads of a viewer that cost most. The verb is the id of the session.
var heavyReads = []struct{ name, path string }{
	{"session with its commands", "/api/v1/customer/sessions/%s"},
	{"commands of a session, 200", "/api/v1/customer/sessions/%s/commands?limit=200"},
	{"timeline of a session, 200", "/api/v1/customer/sessions/%s/events?limit=200"},
	{"approvals with large parameters, 200", "/api/v1/customer/approvals?limit=200"},
	{"devices, 200", "/api/v1/customer/devices?limit=200"},
	{"devices by text, none found", "/api/v1/customer/devices?q=needle&limit=200"},
	{"devices by text, all found", "/api/v1/customer/devices?q=pump&limit=200"},
}

func heavyPath(path, session string) string {
	if strings.Contains(path, "%s") {
		return fmt.Sprintf(path, session)
	}
	return path
}

// measureReads measures the processor time of the heaviest requests of a viewer.
func measureReads(t *testing.T, size abuse) {
	s := newSite(t)
	l := newLargeTenant(t, s, s, size)
	viewer := newPrincipal(s.child.URL, s.Token(l.id, "vera", "viewer"))
	table := newTable("request", "size of the response", "**CPU gateway**", "time in Redis")
	for _, read := range heavyReads {
		path := heavyPath(read.path, l.session)
		bytes := 0
		require.NoError(t, s.redis.ConfigResetStat(t.Context()).Err())
		before := cpuTime(t, s.pid)
		for range size.requests {
			status, response := viewer.do("GET", path, "")
			require.Equal(t, http.StatusOK, status, "%s", response)
			bytes = len(response)
		}
		n := time.Duration(size.requests)
		cpu := (cpuTime(t, s.pid) - before) / n
		table.row(read.name, kib(float64(bytes)), ms(cpu), ms(s.redis.timeInScripts(t)/n))
	}
	s.requireAlive(t)
	publish(t, size.extent, "abuse-reads", table)
}

// timeInScripts returns the time that Redis has spent in scripts since its statistics were
// reset.
func (s server) timeInScripts(t testing.TB) (total time.Duration) {
	t.Helper()
	stats := s.InfoMap(t.Context(), "commandstats")
	require.NoError(t, stats.Err())
	for _, name := range []string{"fcall", "evalsha", "eval"} {
		total += usec(stats.Item("Commandstats", "cmdstat_"+name))
	}
	return total
}
