package realtime

import "testing"

// BenchmarkParseFrame parses a result frame of typical size.
func BenchmarkParseFrame(b *testing.B) {
	text := []byte(`{"type":"result","requestId":"d-6","data":{"commandId":"cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm",` +
		`"claimToken":"t4Xn8qLz2vRb6mKc","status":"succeeded","output":"telemetry restarted","data":{"pid":4711},` +
		`"executedAt":"2025-11-22T20:16:11.300Z","durationMs":8420}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseFrame(text); err != nil {
			b.Fatal(err)
		}
	}
}
