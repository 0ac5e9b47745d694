package agent

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// succeed is a handler that returns an empty result.
func succeed(context.Context, Command) (Result, error) { return Result{}, nil }

func TestClaim_EmptyResponsesAreSpacedOut(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t)
	start := time.Now()
	g.startAgent(t, Config{}, nil)
	claims := func() (n int) {
		g.locked(func(g *fakeGateway) { n = len(g.claimKeys) })
		return n
	}
	require.Eventually(t, func() bool { return claims() >= 3 }, 20*time.Second, 5*time.Millisecond)
	require.Greater(t, time.Since(start), 2*(emptyClaimInterval/2))
}

// TestClaim_CommandWithoutIDOrTokenDoesNotRun claims a command without an id and a command
// without a claim token. Neither may run: without an id, the journal cannot record the command;
// without a token, its result cannot be submitted.
func TestClaim_CommandWithoutIDOrTokenDoesNotRun(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, `{}`, `{"id":"cmd_1","type":"a","leaseRemainingMs":60000}`, claimedJSON("cmd_2", "a"))
	g.startAgent(t, Config{}, map[string]Handler{"a": succeed})
	require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, "cmd_2").Status)
	g.locked(func(g *fakeGateway) { require.Len(t, g.results, 1) })
}
