package gateway_test

import (
	"context"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// These are the trace and the span of a page in a browser.
const (
	pageTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	pageSpan  = "00f067aa0ba902b7"
)

func pageTraceparent(flags string) string { return "00-" + pageTrace + "-" + pageSpan + "-" + flags }

// proposeTraced proposes a command with a traceparent, and approves it.
func (f *fleet) proposeTraced(t testing.TB, traceparent string) client.Command {
	t.Helper()
	ctx := client.ContextWithTraceparent(t.Context(), traceparent)
	c, err := f.alice.Propose(ctx, f.session, client.ProposeCommandRequest{Type: review})
	require.NoError(t, err)
	return f.decide(t, c, true)
}

// startTracedAgent starts an agent whose handler sends the traceparent of its context.
func (f *fleet) startTracedAgent(t testing.TB, cfg agent.Config) <-chan string {
	t.Helper()
	seen := make(chan string, 10)
	f.startAgent(t, cfg, func(a *agent.Agent) {
		a.Handle(review, func(ctx context.Context, c agent.Command) (agent.Result, error) {
			seen <- client.TraceparentFromContext(ctx)
			return agent.Result{}, nil
		})
	})
	return seen
}

func TestTraces_OneTraceFromProposalToResult(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config      agent.Config
		claim, sent string
	}{
		"socket": {agent.Config{}, "frame claim", "frame result"},
		"http":   {agent.Config{PollOnly: true}, "POST /api/v1/device/commands/claim", "POST /api/v1/device/commands/{commandId}/result"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spans := startCollector(t)
			f := newFleet(t, gatewaytest.Start(t, gatewaytest.WithRedis(storetest.SharedURL(t)), func(cfg *gateway.Config) { cfg.Traces = spans.provider }))
			handled := f.startTracedAgent(t, c.config)
			command := f.awaitFinished(t, f.proposeTraced(t, pageTraceparent("01")).ID)

			proposed := spans.await(t, pageTrace, "POST /api/v1/customer/sessions/{sessionId}/commands")
			require.Equal(t, pageSpan, hex.EncodeToString(proposed.ParentSpanId))
			require.Equal(t, otlp.Span_SPAN_KIND_SERVER, proposed.Kind)
			require.Subset(t, attributesOf(proposed), map[string]string{
				"http.request.method": "POST", "http.route": "/api/v1/customer/sessions/{sessionId}/commands", "fieldgate.tenant": "c." + f.tenantID,
				"fieldgate.user": "alice", "fieldgate.session": f.session, "fieldgate.command": command.ID, "fieldgate.request_id": command.RequestID,
			})
			inRedis := spans.await(t, pageTrace, "propose")
			require.Equal(t, proposed.SpanId, inRedis.ParentSpanId)
			require.Equal(t, "redis", attributesOf(inRedis)["db.system.name"])

			delivered := spans.await(t, pageTrace, "receive commands")
			require.Equal(t, proposed.SpanId, delivered.ParentSpanId)
			require.Equal(t, otlp.Span_SPAN_KIND_CONSUMER, delivered.Kind)
			require.Equal(t, "receive", attributesOf(delivered)["messaging.operation.type"])
			require.Equal(t, traceparentOf(delivered), <-handled, "the handler's spans are children of the delivery")

			claim := spans.await(t, hex.EncodeToString(delivered.Links[0].TraceId), c.claim)
			require.Equal(t, claim.SpanId, delivered.Links[0].SpanId)
			require.Equal(t, proposed.SpanId, claim.Links[0].SpanId, "the claim links to the proposal")
			require.NotEqual(t, pageTrace, hex.EncodeToString(claim.TraceId))

			submitted := spans.await(t, pageTrace, c.sent)
			require.Equal(t, delivered.SpanId, submitted.ParentSpanId)
			require.Equal(t, command.ID, attributesOf(submitted)["fieldgate.command"])
			require.Equal(t, submitted.SpanId, spans.await(t, pageTrace, "result").ParentSpanId)

			require.Equal(t, traceparentOf(proposed), command.Traceparent)
			f.requireEventsHaveTrace(t, command)
			f.requireResultIsLoggedWith(t, command, pageTrace)
		})
	}
}

func traceparentOf(s *otlp.Span) string {
	return "00-" + hex.EncodeToString(s.TraceId) + "-" + hex.EncodeToString(s.SpanId) + "-01"
}

func (f *fleet) requireEventsHaveTrace(t testing.TB, c client.Command) {
	t.Helper()
	events, err := f.alice.Events(t.Context(), f.session, client.ListSessionEventsParams{})
	require.NoError(t, err)
	var kinds []string
	for _, e := range events.Items {
		if e.CommandID == c.ID {
			require.Equal(t, c.Traceparent, e.Traceparent, e.Type)
			kinds = append(kinds, e.Type)
		}
	}
	require.Equal(t, []string{"command.proposed", "command.approved", "command.claimed", "command.succeeded"}, kinds)
}

func (f *fleet) requireResultIsLoggedWith(t testing.TB, c client.Command, traceID string) {
	t.Helper()
	eventually(t, func() bool {
		for _, line := range f.Log.Lines("", "") {
			isResult := line["type"] == "result" || line["operation"] == "submitResult"
			if isResult && line["command"] == c.ID {
				require.Equal(t, []any{traceID, "c." + f.tenantID, f.device.ID}, []any{line["traceId"], line["tenant"], line["device"]})
				return true
			}
		}
		return false
	}, "no line of the log has the result of the command")
}

// TestTraces_WithoutExporterArePassedOn checks that a gateway that records no spans passes the
// caller's on.
func TestTraces_WithoutExporterArePassedOn(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		handled := f.startTracedAgent(t, agent.Config{})
		traced := f.awaitFinished(t, f.proposeTraced(t, pageTraceparent("01")).ID)
		require.Equal(t, pageTraceparent("01"), traced.Traceparent)
		require.Equal(t, pageTraceparent("01"), <-handled)
		f.requireEventsHaveTrace(t, traced)
		f.requireResultIsLoggedWith(t, traced, pageTrace)
	})
}

// TestTraces_UnsampledAreNotStored checks that a trace that is not recorded costs no memory of the
// store.
func TestTraces_UnsampledAreNotStored(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t, gatewaytest.WithRedis(storetest.SharedURL(t))))
	handled := f.startTracedAgent(t, agent.Config{})
	for _, traceparent := range []string{"", pageTraceparent("00"), strings.ToUpper(pageTraceparent("01"))} {
		c := f.awaitFinished(t, f.proposeTraced(t, traceparent).ID)
		require.Empty(t, c.Traceparent)
		require.Empty(t, <-handled)
	}
}

// TestTraces_RetryHasItsOwn checks that a retry belongs to the trace of its own proposal.
func TestTraces_RetryHasItsOwn(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	f.startTracedAgent(t, agent.Config{})
	c := f.awaitFinished(t, f.proposeTraced(t, pageTraceparent("01")).ID)
	again, err := f.alice.Retry(t.Context(), f.session, c.ID, "once more")
	require.NoError(t, err)
	require.Empty(t, again.Traceparent)
}
