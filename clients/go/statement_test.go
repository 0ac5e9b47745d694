package fieldgate_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// statedCommand is a statement as a gateway writes it.
const statedCommand = `{"command":"cmd_1","deliverBy":"2025-11-22T20:15:05.000Z",` +
	`"device":{"externalId":"P-9","id":"dev_1","name":"Pump 9","serialNumber":"SN-1","tags":{"env":"prod"}},` +
	`"maxAttempts":3,"parameters":{"n":9007199254740993,"text":"<é"},"policy":{"effect":"review","rule":"*","version":"1a2b"},` +
	`"priority":5,"proposer":{"id":"alice","kind":"person"},"reason":"agreed","retryOf":"cmd_0","session":"ses_1",` +
	`"tenant":"c.acme","type":"config.set","version":1}`

// claimedWith returns a claim of the command that statedCommand describes, with this statement.
func claimedWith(statement string) fieldgate.ClaimedCommand {
	return fieldgate.ClaimedCommand{
		ID: "cmd_1", SessionID: "ses_1", Type: "config.set", MaxAttempts: 3, ClaimToken: "token",
		Parameters: json.RawMessage(`{"n":"what a copy says"}`), Statement: base64.RawURLEncoding.EncodeToString([]byte(statement)),
	}
}

func TestParseStatement_ReadsEachMember(t *testing.T) {
	t.Parallel()
	s, err := fieldgate.ParseStatement(claimedWith(statedCommand).Statement)
	require.NoError(t, err)
	require.Equal(t, fieldgate.Statement{
		Digest: "3aa228c1c442de951ac77924ade31c9dc25861a67ca7297eb6309bfd187132d6",
		Tenant: "c.acme", SessionID: "ses_1", CommandID: "cmd_1", Type: "config.set",
		Device:     fieldgate.StatementDevice{ID: "dev_1", Name: "Pump 9", ExternalID: "P-9", SerialNumber: "SN-1", Tags: fieldgate.Tags{"env": "prod"}},
		Parameters: json.RawMessage(`{"n":9007199254740993,"text":"<é"}`), Priority: 5, MaxAttempts: 3,
		DeliverBy: time.Date(2025, 11, 22, 20, 15, 5, 0, time.UTC), Reason: "agreed", RetryOf: "cmd_0",
		Proposer: fieldgate.StatementProposer{ID: "alice", Kind: "person"},
		Policy:   fieldgate.StatementPolicy{Effect: "review", Rule: "*", Version: "1a2b"},
	}, s)
}

func TestAsStated_RunsWhatTheStatementSays(t *testing.T) {
	t.Parallel()
	c, err := claimedWith(statedCommand).AsStated("dev_1")
	require.NoError(t, err)
	require.JSONEq(t, `{"n":9007199254740993,"text":"<é"}`, string(c.Parameters))
	require.Equal(t, "token", c.ClaimToken)

	earlier := fieldgate.ClaimedCommand{ID: "cmd_1", Parameters: json.RawMessage(`{}`)}
	c, err = earlier.AsStated("dev_1")
	require.NoError(t, err, "a gateway of an earlier version sends no statement")
	require.Equal(t, earlier, c)
}

// TestAsStated_RefusesAnyDifference changes the statement. Each change must keep the device from running
// the command.
func TestAsStated_RefusesAnyDifference(t *testing.T) {
	t.Parallel()
	changes := map[string][2]string{
		"device": {`"id":"dev_1"`, `"id":"dev_2"`}, "no device": {`"device":{`, `"dev":{`}, "command": {`cmd_1`, `cmd_2`},
		"session": {`ses_1`, `ses_2`}, "type": {`config.set`, `config.get`}, "attempts": {`"maxAttempts":3`, `"maxAttempts":9`},
		"no parameters": {`"parameters":`, `"Parameters":`}, "folded type": {`"type":`, `"Type":`},
		"type with a character that cannot be seen": {`"type":`, "\"ty\u200bpe\":"},
		"parameters twice":                          {`"policy":`, `"parameters":{},"policy":`},
		"escaped name":                              {`"policy":`, `"\u0070arameters":{},"policy":`},
		"name twice in them":                        {`"text":`, `"n":`},
		"name twice in device":                      {`"name":"Pump 9"`, `"id":"dev_1"`},
		"member of another kind":                    {`"maxAttempts":3`, `"maxAttempts":"3"`},
		"more text":                                 {`"version":1}`, `"version":1}{}`}, "no JSON": {`{"command"`, `"command"`}, "a list": {statedCommand, `[]`},
		"later version": {`"version":1`, `"version":2`}, "no version": {`,"version":1`, ``},
	}
	for what, change := range changes {
		changed := strings.Replace(statedCommand, change[0], change[1], 1)
		require.NotEqual(t, statedCommand, changed, what)
		_, err := claimedWith(changed).AsStated("dev_1")
		require.Error(t, err, what)
		if strings.Contains(what, "version") {
			require.ErrorIs(t, err, fieldgate.ErrStatementVersion)
		}
	}
	for _, encoded := range []string{"!", "e30=", claimedWith(statedCommand).Statement + "A"} {
		c := claimedWith(statedCommand)
		c.Statement = encoded
		_, err := c.AsStated("dev_1")
		require.Error(t, err, encoded)
	}
	_, err := claimedWith(strings.Replace(statedCommand, `"version":1`, `"later":{"a":1},"version":1`, 1)).AsStated("dev_1")
	require.NoError(t, err, "a member that this program does not know is ignored")
}
