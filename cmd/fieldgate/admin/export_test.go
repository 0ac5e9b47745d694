package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
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
	_, err = runCommand(t, server.URL(), "purge", "--tenant="+tenant)
	require.ErrorAs(t, err, new(notFoundError))
}

// TestExport_FailsForUnreadableRecords damages one of two commands.
func TestExport_FailsForUnreadableRecords(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	good, bad := i.propose(auto), i.propose(auto)
	d := store.Device{Tenant: i.tenant(), ID: i.device.ID}
	require.NoError(t, i.server.Client(t).HSet(t.Context(), d.CommandsKey(), bad.ID, "{garbage").Err())
	out, err := runCommand(t, i.server.URL(), "export", "--tenant="+i.tenant())
	require.ErrorContains(t, err, "1 records cannot be read")
	require.Contains(t, out, good.ID)
	require.Regexp(t, `"kind":"end",.*"command":1.*"skipped":1`, out)
}

// TestExport_HasOutputOfCommands reports the progress of one of two commands.
func TestExport_HasOutputOfCommands(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.propose(auto)
	running := i.claim()
	i.propose(auto)
	text, percent := "Ann's files:\n"+strings.Repeat("x", 40_000), 12.5
	for seq, part := range []string{text[:30_000], text[30_000:]} {
		_, err := i.Device(i.device.ID, i.device.Secret).ReportProgress(t.Context(), running.ID, client.ProgressRequest{
			ClaimToken: running.ClaimToken, Seq: seq + 1, Percent: &percent, Output: part,
		})
		require.NoError(t, err)
	}
	out := i.run("export", "--tenant="+i.tenant())
	require.Equal(t, 1, exportedKinds(t, out)[kindOutput])
	_, line, found := strings.Cut(out, `{"kind":"output","data":`)
	require.True(t, found)
	line, _, _ = strings.Cut(line, "\n")
	var got struct {
		CommandID, Output string
		Percent           float64
		Seq, NextSince    int
	}
	require.NoError(t, json.Unmarshal([]byte(strings.TrimSuffix(line, "}")), &got))
	require.Equal(t, text, got.Output)
	require.Equal(t, []any{running.ID, percent, 2, len(text)}, []any{got.CommandID, got.Percent, got.Seq, got.NextSince})
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
