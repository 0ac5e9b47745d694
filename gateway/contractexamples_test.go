package gateway_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// TestContract_EveryExampleIsServed sends each example of a body as
// openapi.yaml has it: what a reader copies from there must work.
func TestContract_EveryExampleIsServed(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		for _, o := range operations(t) {
			for title := range o.shown() {
				t.Run(o.id+" "+title, func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, g, gatewaytest.NewCustomerID())
					answer := w.Do(t, w.shownCall(t, o, title))
					require.Equal(t, o.success(), answer.Status, answer.Body)
				})
			}
		}
	})
}

// shown gives the examples that the contract has of the body.
func (o operation) shown() map[string]any {
	bodies := map[string]any{}
	if o.spec.RequestBody == nil {
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

// success is the status that the contract has for a request that is right.
func (o operation) success() int {
	statuses := slices.Sorted(maps.Keys(o.spec.Responses.Map()))
	return map[string]int{"200": 200, "201": 201, "204": 204}[statuses[0]]
}

// shownCall is the right request with the contract's own body, and the contract's
// own key where there may be one. Only what names something of this world differs:
// the fields that the table of examples fills in.
func (w *world) shownCall(t testing.TB, o operation, title string) gatewaytest.Request {
	t.Helper()
	body := maps.Clone(o.shown()[title].(map[string]any))
	var filled map[string]any
	require.NoError(t, json.Unmarshal([]byte(o.example.body), &filled))
	for field, value := range filled {
		text, isText := value.(string)
		if _, shown := body[field]; shown && isText && name.MatchString(text) {
			body[field] = fill(text, w.values)
		}
	}
	text, err := json.Marshal(body)
	require.NoError(t, err)
	if o.id == "claimCommands" {
		w.propose(t, auto) // or the claim that is shown would wait for it
	}
	call := w.call(o, w.token(t, o), nil)
	call.Body, call.Header = string(text), http.Header{}
	if key := o.spec.Parameters.GetByInAndName("header", "Idempotency-Key"); key != nil {
		call.Header.Set("Idempotency-Key", key.Example.(string))
	}
	return call
}
