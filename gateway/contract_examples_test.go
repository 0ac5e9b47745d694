package gateway_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// TestContract_EveryExampleIsServed sends each example of a request body in openapi.yaml.
// Each must succeed, because readers copy examples.
func TestContract_EveryExampleIsServed(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		for _, o := range operations(t) {
			for title := range o.bodyExamples() {
				t.Run(o.id+" "+title, func(t *testing.T) {
					t.Parallel()
					w := newFixture(t, g, gatewaytest.NewTenantID())
					response := w.Do(t, w.exampleRequest(t, o, title))
					require.Equal(t, o.success(), response.Status, response.Body)
				})
			}
		}
	})
}

// TestContract_FirstExampleWorksAgain sends what the page of the reference fills in, twice: the first example
// of each request that needs no id. A reader who tries it again must not be refused.
func TestContract_FirstExampleWorksAgain(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Token(gatewaytest.NewTenantID(), "ada", "admin")
	sent := 0
	for _, o := range operations(t) {
		if o.scheme != "customerJWT" || len(o.bodyExamples()) == 0 || strings.Contains(o.path, "{") || placeholder.MatchString(o.example.body) {
			continue
		}
		examples := o.bodyExamples()
		body, err := json.Marshal(examples[slices.Sorted(maps.Keys(examples))[0]])
		require.NoError(t, err)
		for range 2 {
			response := g.Do(t, gatewaytest.Request{Method: o.method, Path: o.path, Token: token, Body: string(body)})
			require.Equal(t, o.success(), response.Status, "%s: %s", o.id, response.Body)
			sent++
		}
	}
	require.GreaterOrEqual(t, sent, 4)
}

// signedByPasskey are the operations whose examples cannot succeed: the passkey would have to sign a
// challenge of this installation.
var signedByPasskey = []string{"registerPasskey", "setRoster"}

// bodyExamples returns the contract's examples of the request body, by title.
func (o operation) bodyExamples() map[string]any {
	bodies := map[string]any{}
	if o.spec.RequestBody == nil || slices.Contains(signedByPasskey, o.id) {
		return bodies
	}
	media := o.spec.RequestBody.Value.Content["application/json"]
	if media.Example != nil {
		bodies["example"] = media.Example
	}
	for title, example := range media.Examples {
		bodies[title] = example.Value.Value
	}
	return bodies
}

// success returns the success status that the contract declares.
func (o operation) success() int {
	statuses := slices.Sorted(maps.Keys(o.spec.Responses.Map()))
	return map[string]int{"200": 200, "201": 201, "204": 204}[statuses[0]]
}

// exampleRequest returns a valid request with the body from the contract's examples. A body field that has a placeholder in the map named examples is
// replaced with a value of the fixture.
func (w *fixture) exampleRequest(t testing.TB, o operation, title string) gatewaytest.Request {
	t.Helper()
	w.prepare(t, o)
	body := maps.Clone(o.bodyExamples()[title].(map[string]any))
	var filled map[string]any
	require.NoError(t, json.Unmarshal([]byte(o.example.body), &filled))
	for field, value := range filled {
		text, isText := value.(string)
		if _, found := body[field]; found && isText && placeholder.MatchString(text) {
			body[field] = fill(text, w.values)
		}
	}
	text, err := json.Marshal(body)
	require.NoError(t, err)
	request := w.request(o, w.token(t, o), nil)
	request.Body, request.Header = string(text), http.Header{}
	return request
}

// prepare creates the records of which an example needs more than a fixture has.
func (w *fixture) prepare(t testing.TB, o operation) {
	t.Helper()
	switch o.id {
	case "claimCommands":
		w.propose(t, auto) // without a ready command, the claim would wait for one
	case "decidePolicyChange":
		w.waitingChange(t)
	case "withdrawVote":
		_, err := w.User(w.tenantID, "carol", o.leastRole).Decide(t.Context(), w.session, client.DecisionRequest{CommandID: w.values["pendingId"], Approved: true})
		require.NoError(t, err)
	case "breakGlass":
		w.values["pendingId"] = w.mayBreakGlass(t).ID
	case "reviewBreakGlass":
		c := w.mayBreakGlass(t)
		_, err := w.dora().BreakGlass(t.Context(), w.session, c.ID, client.BreakGlassRequest{Reason: "fire"})
		require.NoError(t, err)
		w.values["commandId"] = c.ID
	}
}

// dora returns a second admin.
func (f *fleet) dora() *client.CustomerClient { return f.User(f.tenantID, "dora", "admin") }

// waitingChange lets a change of the policy wait for another admin.
func (w *fixture) waitingChange(t testing.TB) {
	t.Helper()
	w.setPolicy(t, client.PolicyRule{Name: "all", Effect: "deny"})
	w.values["change"] = w.setPolicy(t, client.PolicyRule{Name: "all", Effect: "auto"}).Pending.Version
}

// mayBreakGlass returns a command that an admin may approve alone.
func (w *fixture) mayBreakGlass(t testing.TB) client.Command {
	t.Helper()
	changed := w.setPolicy(t, client.PolicyRule{Name: "all", Effect: "review", Approvals: 2, BreakGlass: true})
	_, err := w.dora().DecidePolicyChange(t.Context(), client.DecidePolicyRequest{Version: changed.Pending.Version, Approved: true})
	require.NoError(t, err)
	return w.propose(t, review)
}
