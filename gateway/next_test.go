package gateway_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// recordedResult is a client.RecordedResult that shows whether the response has commands.
type recordedResult struct {
	client.RecordedResult
	Commands *[]client.ClaimedCommand `json:"commands"`
}

// TestResult_ClaimsNextCommand submits results over HTTP and over a socket, as a device that executes
// one command after another does.
func TestResult_ClaimsNextCommand(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	for name, connect := range map[string]func(f *fleet) deviceCall{
		"http":   func(f *fleet) deviceCall { return callOverHTTP(t, g, f.Login(t, f.device)) },
		"socket": func(f *fleet) deviceCall { return callOverSocket(f.deviceSocket(t, g)) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, g)
			call := connect(f)
			submit := func(c client.ClaimedCommand, fields object) (r recordedResult) {
				data := object{"commandId": c.ID, "claimToken": c.ClaimToken, "status": "succeeded", "output": c.ID}
				for name, value := range fields {
					data[name] = value
				}
				require.NoError(t, json.Unmarshal(call("result", data), &r))
				return r
			}
			next := object{"next": true, "visibilityTimeoutMs": 60_000}
			f.propose(t, auto)
			second, third := f.propose(t, auto), f.propose(t, auto)
			first := commands(t, call("claim", object{}))[0]
			recorded := submit(first, next)
			require.Len(t, *recorded.Commands, 1)
			claimed := (*recorded.Commands)[0]
			require.Equal(t, second.ID, claimed.ID)
			require.InDelta(t, 60_000, claimed.LeaseRemainingMs, 1000)

			repeated := submit(first, next)
			require.True(t, repeated.Duplicate)
			require.Equal(t, claimed.ClaimToken, (*repeated.Commands)[0].ClaimToken)

			require.Nil(t, submit(claimed, nil).Commands, "the result does not claim")
			require.Equal(t, third.ID, (*submit(claimed, next).Commands)[0].ID)
			require.Equal(t, client.CommandStatusSucceeded, f.command(t, second.ID).Status)
		})
	}
}
