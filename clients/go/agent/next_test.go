package agent

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// TestNext_ResultClaimsNextCommand returns the second command to the result of the first, and never
// to a claim.
func TestNext_ResultClaimsNextCommand(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, claimedJSON("cmd_1", "a"))
	g.next = []string{claimedJSON("cmd_2", "a")}
	g.startAgent(t, Config{Lease: 40 * time.Second}, map[string]Handler{"a": succeed})
	g.awaitResult(t, "cmd_2")
	first := g.awaitResult(t, "cmd_1")
	require.True(t, first.Next)
	require.Equal(t, 40_000, first.VisibilityTimeoutMs)
}

// TestNext_EarlierGatewayGetsResultWithoutNext refuses the unknown field, as a gateway of an earlier
// version does. The result must not be replaced by a failure.
func TestNext_EarlierGatewayGetsResultWithoutNext(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, claimedJSON("cmd_1", "a"), claimedJSON("cmd_2", "a"))
	refusals := 0
	g.refuseWith = func(_ string, body []byte) *fieldgate.Problem {
		var result fieldgate.ResultRequest
		if json.Unmarshal(body, &result) == nil && result.Next {
			refusals++
			return &fieldgate.Problem{Code: fieldgate.CodeValidationFailed, Errors: []fieldgate.FieldError{
				{Keyword: "additionalProperties", Reason: "has an unknown field; allowed are claimToken, status"},
			}}
		}
		return nil
	}
	g.startAgent(t, Config{}, map[string]Handler{"a": succeed})
	for _, id := range []string{"cmd_1", "cmd_2"} {
		require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, id).Status)
	}
	g.locked(func(*fakeGateway) { require.Equal(t, 1, refusals, "later results do not claim") })
}

// TestNext_InvalidResultDoesNotEndClaims refuses the content of one result. Later results must still
// claim the next command.
func TestNext_InvalidResultDoesNotEndClaims(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, claimedJSON("cmd_1", "a"), claimedJSON("cmd_2", "a"))
	g.refuseWith = func(path string, body []byte) *fieldgate.Problem {
		if strings.Contains(path, "cmd_1") && strings.Contains(string(body), "succeeded\",") {
			return &fieldgate.Problem{Code: fieldgate.CodeValidationFailed, Errors: []fieldgate.FieldError{{Pointer: "/output", Keyword: "maxLength"}}}
		}
		return nil
	}
	g.startAgent(t, Config{}, map[string]Handler{"a": succeed})
	require.JSONEq(t, `{"code":"invalid_result"}`, string(g.awaitResult(t, "cmd_1").Data))
	require.True(t, g.awaitResult(t, "cmd_2").Next)
}

// TestNext_ResubmittedResultRunsItsCommand starts an agent whose earlier run died between the
// response to a result and the record of the next command. The gateway returns that command again.
func TestNext_ResubmittedResultRunsItsCommand(t *testing.T) {
	t.Parallel()
	path := newStatePath(t)
	j := openTestJournal(t, path+".journal")
	require.NoError(t, j.begin(testCommand(1), false, true))
	require.NoError(t, j.recordResult("cmd_1", fieldgate.ResultRequest{Status: fieldgate.ResultStatusSucceeded, Next: true}))
	j.close()
	g := newFakeGateway(t)
	g.next = []string{claimedJSON("cmd_2", "a")}
	g.startAgent(t, Config{StateFile: path}, map[string]Handler{"a": succeed})
	g.awaitResult(t, "cmd_2")
	require.True(t, g.awaitResult(t, "cmd_1").Next)
}

// TestNext_KeepsClaimKey begins a command that was claimed with a result, while a claim with the key
// may be in progress.
func TestNext_KeepsClaimKey(t *testing.T) {
	t.Parallel()
	path := newStatePath(t)
	j := openTestJournal(t, path)
	key, err := j.claimKey()
	require.NoError(t, err)
	require.NoError(t, j.begin(testCommand(1), false, false))
	_, found, err := j.reclaim(testCommand(1), false)
	require.NoError(t, err)
	require.True(t, found)
	j.close()
	kept, err := openTestJournal(t, path).claimKey()
	require.NoError(t, err)
	require.Equal(t, key, kept)
}
