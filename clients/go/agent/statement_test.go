package agent

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// statedJSON returns a claimed command with a statement for a device, as the gateway sends it. The copy
// beside the statement has other parameters.
func statedJSON(id, deviceID string, version int) string {
	statement := fmt.Sprintf(`{"command":%q,"device":{"id":%q},"maxAttempts":1,"parameters":{"say":"stated"},"policy":{},"proposer":{},"session":"","type":"a","version":%d}`,
		id, deviceID, version)
	return fmt.Sprintf(`{"id":%q,"type":"a","maxAttempts":1,"parameters":{"say":"copied"},"claimToken":"token","leaseRemainingMs":60000,"statement":%q}`,
		id, base64.RawURLEncoding.EncodeToString([]byte(statement)))
}

// echo returns its parameters.
func echo(_ context.Context, command Command) (Result, error) {
	return Result{Output: string(command.Parameters)}, nil
}

// TestStatement_IsWhatRuns claims a command, and another with a result. Both run what their statements
// say.
func TestStatement_IsWhatRuns(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, statedJSON("cmd_1", "dev_1", 1))
	g.next = []string{statedJSON("cmd_2", "dev_1", 1)}
	g.startAgent(t, Config{}, map[string]Handler{"a": echo})
	for _, id := range []string{"cmd_1", "cmd_2"} {
		require.Equal(t, `{"say":"stated"}`, g.awaitResult(t, id).Output, id)
	}
}

// TestStatement_OfAnotherCommandNeverRuns sends statements that the device must not run.
func TestStatement_OfAnotherCommandNeverRuns(t *testing.T) {
	t.Parallel()
	other := fieldgate.ClaimedCommand{}
	require.NoError(t, json.Unmarshal([]byte(statedJSON("cmd_9", "dev_1", 1)), &other))
	g := newFakeGateway(t,
		statedJSON("cmd_1", "dev_2", 1), statedJSON("cmd_2", "dev_1", 2),
		fmt.Sprintf(`{"id":"cmd_3","type":"a","maxAttempts":1,"claimToken":"token","statement":%q}`, other.Statement),
		`{"id":"cmd_4","type":"a","maxAttempts":1,"claimToken":"token","statement":"!"}`, claimedJSON("cmd_5", "a"),
	)
	g.startAgent(t, Config{}, map[string]Handler{"a": echo})
	for id, code := range map[string]string{
		"cmd_1": CodeStatementInvalid, "cmd_2": CodeUnsupported, "cmd_3": CodeStatementInvalid, "cmd_4": CodeStatementInvalid,
	} {
		result := g.awaitResult(t, id)
		require.Equal(t, fieldgate.ResultStatusFailed, result.Status, id)
		require.Empty(t, result.Output, id)
		require.JSONEq(t, fmt.Sprintf(`{"code":%q}`, code), string(result.Data), id)
	}
	require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, "cmd_5").Status, "a gateway of an earlier version sends none")
}
