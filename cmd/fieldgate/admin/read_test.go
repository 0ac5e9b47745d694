package admin

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestAdmin_ListsTenantsAndUsage(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.propose(auto)
	i.propose(review)
	tenants := i.runJSON("tenants")
	require.Len(t, tenants, 1)
	require.Equal(t, i.tenant(), tenants[0]["tenant"])
	used := tenants[0]["used"].(map[string]any)
	require.Equal(t, []any{1.0, 1.0, 1.0, 1.0}, []any{used["devices"], used["openSessions"], used["readyCommands"], used["pendingApprovals"]})
	require.Regexp(t, `(?m)^c\.acme +1 +1 +1 +1 +0 +\d+$`, i.requireUnchanged("tenants"))
	require.Equal(t, tenants, i.runJSON("usage"))
	require.Equal(t, tenants, i.runJSON("usage", "--tenant="+i.tenant()))
	require.Regexp(t, `(?m)^c\.acme +readyCommands +1 +of the installation$`, i.requireUnchanged("usage"))
}

func TestAdmin_ListsDevicesOfAllPages(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	for n := range 230 {
		_, err := i.alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: fmt.Sprintf("Valve %d", n)})
		require.NoError(t, err)
	}
	require.Len(t, i.runJSON("devices", "--tenant="+i.tenant()), 231)
	require.Len(t, i.runJSON("devices", "--tenant="+i.tenant(), "--status=provisioned"), 230)
	require.Len(t, i.runJSON("devices", "--tenant=c.other"), 0)
	found := i.runJSON("devices", "--tenant="+i.tenant(), "--q=pump")
	require.Len(t, found, 1)
	require.Equal(t, i.device.ID, found[0]["id"])
	require.Equal(t, "active", found[0]["status"])
	require.Regexp(t, `(?m)^`+i.device.ID+` +Pump 7 +- +active `, i.requireUnchanged("devices", "--tenant="+i.tenant(), "--q=pump"))
}

func TestAdminDevice_PrintsEverythingOpen(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	token := i.Login(t, i.device)
	i.OpenDevice(t, token)
	claimed := i.propose(auto)
	i.claim()
	queued, pending := i.propose(auto), i.propose(review)

	found := i.runJSON("device", i.device.ID)[0]
	require.Equal(t, i.tenant(), found["tenant"])
	require.Equal(t, "Pump 7", found["device"].(map[string]any)["name"])
	require.Equal(t, i.session, found["session"].(map[string]any)["id"])
	require.Len(t, found["logins"], 2, "of the client, which has claimed, and of the socket")
	require.Len(t, found["sockets"], 1)
	var ids []any
	for _, one := range found["commands"].([]any) {
		ids = append(ids, one.(map[string]any)["id"])
	}
	require.Equal(t, []any{claimed.ID, queued.ID, pending.ID}, ids)
	text := i.requireUnchanged("device", i.device.ID)
	require.Regexp(t, `session: +`+i.session+` of alice, until `, text)
	require.Regexp(t, `commands: +1 claimed, 1 queued, 1 pending_approval`, text)
	require.Regexp(t, claimed.ID+` +diagnostic.dns +claimed +1 of 3 +alice +\d`, text)
	require.NotContains(t, text+fmt.Sprint(found), token[len(token)-20:])

	i.requireNotFound("device", "dev_none")
	i.requireNotFound("device", store.NewID(store.KindDevice, store.PartitionOf(i.tenant())))
}

func TestAdminCommand_PrintsStateAndTimeline(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	proposed := i.propose(auto)
	claimed := i.claim()
	_, err := i.device.SubmitResult(t.Context(), proposed.ID, client.ResultRequest{
		ClaimToken: claimed.ClaimToken, Status: client.ResultStatusSucceeded, Output: "confidential",
	})
	require.NoError(t, err)
	i.propose(auto)

	found := i.runJSON("command", proposed.ID)[0]
	require.Equal(t, i.tenant(), found["tenant"])
	command := found["command"].(map[string]any)
	require.Equal(t, "succeeded", command["status"])
	require.Equal(t, "confidential", command["result"].(map[string]any)["output"])
	var events []string
	for _, e := range found["timeline"].([]any) {
		events = append(events, e.(map[string]any)["type"].(string))
	}
	require.Equal(t, []string{"command.proposed", "command.claimed", "command.succeeded"}, events)

	text := i.requireUnchanged("command", proposed.ID)
	require.Regexp(t, `status: +succeeded`, text)
	require.Regexp(t, `result: +12 bytes of output`, text)
	require.Regexp(t, `command\.proposed +user:alice +ticket-4711`, text)
	require.NotContains(t, text, "confidential", "people read the output elsewhere")
	require.Equal(t, text, i.run("command", proposed.ID, "--device="+i.device.ID))
	i.requireNotFound("command", "cmd_none")
	i.requireNotFound("command", store.NewID(store.KindCommand, store.PartitionOf(i.tenant())))
}

func TestAdmin_RefusesEmptyStore(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	for _, arguments := range [][]string{
		{"tenants"}, {"usage"}, {"devices", "--tenant=c.acme"}, {"device", "dev_none"}, {"command", "cmd_none"}, {"sessions", "list"},
		{"sessions", "close", "--all"}, {"kick", "--user=alice"}, {"quarantine", "list"}, {"quarantine", "drop", "x"},
		{"rate", "reset", "--tenant=c.acme"},
	} {
		_, err := runCommand(t, server.URL(), arguments...)
		require.ErrorContains(t, err, "the store is empty: no gateway has used it yet", arguments)
	}
	require.Empty(t, storetest.Dump(t, server), "no command creates a store")
}

func TestAdmin_RefusesTextThatIsNoTenant(t *testing.T) {
	t.Parallel()
	for _, arguments := range [][]string{
		{"usage"}, {"devices"}, {"sessions", "close"}, {"kick"}, {"quota"}, {"rate", "reset"},
	} {
		_, err := runCommand(t, "redis://127.0.0.1:1", append(slices.Clone(arguments), "--tenant=acme")...)
		require.ErrorContains(t, err, "such as c.acme", arguments)
	}
}
