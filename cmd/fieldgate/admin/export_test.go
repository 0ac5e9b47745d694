package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestExport_PrintsRecordsAndPurgeErasesThem exports a tenant before and after it is purged.
func TestExport_PrintsRecordsAndPurgeErasesThem(t *testing.T) {
	t.Parallel()
	server, tenant := storetest.Start(t), storetest.Tenant()
	s := storetest.Connect(t, store.Config{URL: server.URL()})
	d := newActiveDevice(t, s, tenant)
	newActiveDevice(t, s, storetest.Tenant())
	opened, err := session.New(session.Config{Store: s}).Open(t.Context(), session.OpenRequest{
		Tenant: tenant, DeviceID: d.ID, UserID: "alice", Type: "diagnostic", Duration: time.Hour,
	})
	require.NoError(t, err)
	parameters := json.RawMessage(`{"text":"` + strings.Repeat("x", 8000) + `"}`)
	proposed, err := queue.New(queue.Config{Store: s}).Propose(t.Context(), queue.Proposal{
		Tenant: tenant, SessionID: opened.ID, UserID: "alice", Type: "diagnostic.dns", Parameters: parameters,
	})
	require.NoError(t, err)

	s.RecordRetention(t.Context(), store.DefaultRetention)
	before := storetest.Dump(t, server)
	out, err := runCommand(t, server.URL(), "export", "--tenant="+tenant)
	require.NoError(t, err)
	require.Equal(t, before, storetest.Dump(t, server), "the export has changed the store")
	counts := exportedKinds(t, out)
	require.Equal(t, map[string]int{kindTenant: 1, kindQuota: 7, kindDevice: 1, kindEvent: 3, kindSession: 1, kindCommand: 1}, counts)
	for _, text := range []string{d.ID, opened.ID, proposed.ID, string(parameters), `"site":"berlin"`} {
		require.Contains(t, out, text)
	}
	secret := server.Client(t).HGet(t.Context(), d.RecordKey(), "secret").Val()
	require.NotEmpty(t, secret)
	require.NotContains(t, out, secret)

	out, err = runCommand(t, server.URL(), "purge", "--tenant="+tenant, "--dry-run")
	require.NoError(t, err)
	require.Regexp(t, `result: +would be erased`, out)
	require.Equal(t, before, storetest.Dump(t, server), "a dry run has changed the store")
	out, err = runCommand(t, server.URL(), "purge", "--tenant="+tenant, "--json")
	require.NoError(t, err)
	var p purged
	require.NoError(t, json.Unmarshal([]byte(out), &p))
	require.Equal(t, []int{1, 1, 1, 1}, []int{p.Tenants, p.Devices, p.Sessions, p.Commands})
	out, err = runCommand(t, server.URL(), "export", "--tenant="+tenant)
	require.NoError(t, err)
	require.Equal(t, map[string]int{kindTenant: 1, kindQuota: 7}, exportedKinds(t, out))
	_, err = runCommand(t, server.URL(), "verify")
	require.NoError(t, err)
	_, err = runCommand(t, server.URL(), "purge", "--device="+d.ID)
	require.ErrorContains(t, err, "no device")
}

// exportedKinds returns the number of lines of each kind, as the lines and the last line have it.
func exportedKinds(t testing.TB, out string) map[string]int {
	t.Helper()
	counts, end := map[string]int{}, map[string]int{}
	for text := range strings.Lines(out) {
		require.Empty(t, end, "a line follows the last one")
		var line struct {
			Kind string
			Data json.RawMessage
		}
		require.NoError(t, json.Unmarshal([]byte(text), &line))
		if line.Kind != kindEnd {
			counts[line.Kind]++
			continue
		}
		var data exportEnd
		require.NoError(t, json.Unmarshal(line.Data, &data))
		end = data.Counts
	}
	require.Equal(t, counts, end)
	return counts
}
