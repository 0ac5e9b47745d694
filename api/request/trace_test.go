package request_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/api/request"
)

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	parent  = "00-" + traceID + "-00f067aa0ba902b7-"
)

func TestTraceparent(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		parent + "00": parent + "00", parent + "01": parent + "01",
		parent + "03": parent + "01", parent + "ff": parent + "01", parent + "0a": parent + "00", parent + "fe": parent + "00",
		"cc" + parent[2:] + "01":          parent + "01",
		"cc" + parent[2:] + "01-whatever": parent + "01",

		"": "", "00": "", parent: "", parent + "0": "", parent + "0g": "", parent + "0A": "",
		parent + "01-": "", parent + "011": "", "cc" + parent[2:] + "01x": "", "ff" + parent[2:] + "01": "", "0x" + parent[2:] + "01": "",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01": "",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": "",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01": "",
		"00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01": "",
		"00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01": "",
		parent + "\n1": "", " " + parent + "01": "",
	} {
		require.Equal(t, want, request.Traceparent(header), "%q", header)
	}
}

func TestTraceID(t *testing.T) {
	t.Parallel()
	for traceparent, want := range map[string][2]string{
		"":            {"", ""},
		parent + "00": {traceID, ""},
		parent + "01": {traceID, traceID},
	} {
		ctx := request.With(context.Background(), &request.Info{Traceparent: traceparent})
		require.Equal(t, want, [2]string{request.TraceID(ctx), request.SampledTraceID(ctx)}, traceparent)
	}
	require.Empty(t, request.TraceID(context.Background()))
}
