package handlers

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

// BenchmarkDecodeFrame decodes, validates and binds the data of a result frame.
func BenchmarkDecodeFrame(b *testing.B) {
	fs, err := newFrames(fieldgate.SocketSpec, fieldgate.Spec)
	require.NoError(b, err)
	data := []byte(`{"commandId":"cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm","claimToken":"t4Xn8qLz2vRb6mKc","status":"succeeded",` +
		`"output":"telemetry restarted","data":{"pid":4711},"executedAt":"2025-11-22T20:16:11.300Z","durationMs":8420}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode[resultFrame](fs, "result", data, func(int64) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
