package admin

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// addGatewayUser adds the gateway's user of deploy/redis.acl to a server, and returns the URL with
// the user and a password.
func addGatewayUser(t testing.TB, server *storetest.Server) (url string) {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/redis.acl")
	require.NoError(t, err)
	line := regexp.MustCompile(`(?m)^user fieldgate on #\S+ (.*)$`).FindStringSubmatch(string(text))
	require.NotNil(t, line)
	rules := append([]string{"on", ">secret"}, strings.Fields(line[1])...)
	require.NoError(t, server.Client(t).ACLSetUser(t.Context(), "fieldgate", rules...).Err())
	return "redis://fieldgate:secret@" + server.Addr()
}

// TestAdmin_NeedsOnlyRightsOfGateway runs every command as the gateway's user of deploy/redis.acl.
func TestAdmin_NeedsOnlyRightsOfGateway(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.Log.AllowErrors("quarantined a command whose record cannot be read")
	restored, dropped := i.setAside(), i.setAside()
	done := i.propose(auto)
	i.propose(review)
	i.proposeNamed("carol", "Carol Lindqvist")
	url, tenant := addGatewayUser(t, i.server), "--tenant="+i.tenant()
	out, err := runCommand(t, url, "purge", "--user=carol")
	require.NoError(t, err)
	require.Regexp(t, `events: +2\n`, out)
	left := map[string]bool{}
	for _, leaf := range newParser(t, new(Command)).Model.Leaves(false) {
		left[leaf.Path()] = true
	}
	for _, command := range []struct {
		path      string
		arguments []string
	}{
		{"tenants", nil},
		{"devices", []string{tenant, "--q=pump"}},
		{"device", []string{i.device.ID}},
		{"command", []string{done.ID}},
		{"sessions list", nil},
		{"usage", nil},
		{"quota", []string{tenant, "--set=devices=7", "--reset=sockets"}},
		{"rate reset", []string{tenant}},
		{"policy save", []string{tenant, writePolicy(t, `{"rules":[{"name":"rest","effect":"review"}]}`)}},
		{"policy show", []string{tenant}},
		{"policy versions", []string{tenant}},
		{"policy evaluate", []string{tenant, "--device=" + i.device.ID, "--type=a"}},
		{"quarantine list", nil},
		{"quarantine show", []string{restored}},
		{"quarantine restore", []string{restored}},
		{"quarantine drop", []string{dropped}},
		{"verify", nil},
		{"restore-check", nil},
		{"export", []string{tenant}},
		{"sessions close", []string{"--all"}},
		{"kick", []string{"--device=" + i.device.ID}},
		{"users cut-off", []string{tenant, "--user=mallory"}},
		{"users cut-offs", []string{tenant}},
		{"schema raise", nil},
		{"purge", []string{tenant}},
	} {
		_, err := runCommand(t, url, append(strings.Fields(command.path), command.arguments...)...)
		require.NoError(t, err, command.path)
		require.True(t, left[command.path], command.path)
		delete(left, command.path)
	}
	require.Empty(t, left, "commands that this test does not run")
}

// TestUsersCutOff_EmptySessionIsRefused passes an empty variable of the shell as the session.
func TestUsersCutOff_EmptySessionIsRefused(t *testing.T) {
	t.Parallel()
	var cli Command
	_, err := newParser(t, &cli).Parse([]string{"users", "cut-off", "--tenant=c.acme", "--user=mallory", "--session=", "--redis-url=redis://127.0.0.1:1"})
	require.ErrorContains(t, err, "--session is empty")
}

// TestUsersCutOff_BoundsTexts passes texts that the contract would not accept.
func TestUsersCutOff_BoundsTexts(t *testing.T) {
	t.Parallel()
	for _, long := range []string{"--reason=" + strings.Repeat("x", 1025), "--by=" + strings.Repeat("x", 256)} {
		_, err := runCommand(t, "redis://127.0.0.1:1", "users", "cut-off", "--tenant=c.acme", "--user=mallory", "--dry-run", long)
		require.ErrorContains(t, err, "characters")
	}
	_, err := runCommand(t, "redis://127.0.0.1:1", "users", "cut-off", "--tenant=c.acme", "--user=mallory", "--dry-run",
		"--reason="+strings.Repeat("é", 1024), "--by="+strings.Repeat("x", 255))
	require.NoError(t, err)
}
