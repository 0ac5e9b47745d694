package admin

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/issuer"
)

func TestAdminPurge_ErasesNamesOfUser(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	proposed := i.proposeNamed("carol", "Carol Lindqvist")
	would := i.requireUnchanged("purge", "--user=carol", "--dry-run")
	require.Regexp(t, `(?s)user: +carol\nnames: +would be erased\ncommands: +1\nsessions: +0\nevents: +2\n`, would)

	done := i.runJSON("purge", "--user=carol", "--tenant="+i.tenant())
	require.Equal(t, []any{"carol", i.tenant(), false, 1.0, 2.0, 0.0},
		[]any{done[0]["user"], done[0]["tenant"], done[0]["dryRun"], done[0]["commands"], done[0]["events"], done[0]["unreadable"]})
	require.Equal(t, "carol", i.command(proposed.ID).ProposedByActor.ID)
	require.Empty(t, i.command(proposed.ID).ProposedByActor.Name)
	require.Regexp(t, `commands: +0\nsessions: +0\nevents: +0\n`, i.requireUnchanged("purge", "--user=carol"))
	i.run("verify")
}

// proposeNamed proposes a command as a user whose token has a name.
func (i *installation) proposeNamed(user, name string) client.Command {
	i.t.Helper()
	token := i.Issuer.Token(issuer.Claims{Subject: user, TenantID: i.tenantID, Role: "operator", Name: name})
	proposed, err := i.Customer(client.Bearer(token)).Propose(i.t.Context(), i.session,
		client.ProposeCommandRequest{Type: auto, Parameters: json.RawMessage(`{}`)})
	require.NoError(i.t, err)
	return proposed
}

// TestAdminPurge_RefusesUnclearTarget passes what an empty variable of a shell leads to, and flags that
// contradict each other. None of them may erase the tenant.
func TestAdminPurge_RefusesUnclearTarget(t *testing.T) {
	t.Parallel()
	for _, arguments := range [][]string{
		{},
		{"--tenant=c.acme", "--user="},
		{"--tenant=", "--user=carol"},
		{"--tenant="},
		{"--device="},
		{"--tenant=c.acme", "--device=dev_none"},
		{"--user=carol", "--device=dev_none"},
	} {
		parser := newParser(t, new(Command))
		_, err := parser.Parse(append([]string{"purge", "--redis-url=redis://127.0.0.1:1"}, arguments...))
		require.Error(t, err, "%q", arguments)
	}
}
