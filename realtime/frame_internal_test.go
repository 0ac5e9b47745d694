package realtime

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzFrame checks the properties of parseFrame that its callers rely on.
func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{}`, `[]`, `{"type":"ping"}`, `{"type":"ping","requestId":"r"}`, `{"type":"claim","requestId":"r-1","data":{"waitMs":1}}`,
		`{"type":"ping","type":"claim"}`, `{"type":"ping","requestId":"r","requestId":"s"}`, `{"type":"ping"}}`, `{"type":"ping"}]`,
		`{"type":"ping","requestId":""}`, `{"type":"\ud800","requestId":"\u0072"}`, `{"Type":"ping"}`, `{"type":1,"requestId":{}}`,
		`{"requestId":"r","data":[[[[]]]]}`, `{"type":"ping","":null}`, "\ufeff{}", `{"type":"` + strings.Repeat("x", 65) + `"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !utf8.Valid(text) {
			t.Skip("the socket closes before the text is parsed")
		}
		parsed, err := parseFrame(text)
		require.True(t, validRequestID(parsed.ID), "every frame must have an id for the log")
		if parsed.RequestID != "" {
			require.Equal(t, parsed.RequestID, parsed.ID)
		}
		if err != nil {
			require.Equal(t, error(errFrame), err)
			return
		}
		var object map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(text, &object), "an accepted text must be one JSON object")
		for name := range object {
			require.Contains(t, []string{"type", "requestId", "data"}, name)
		}
		require.Equal(t, parsed.Data, object["data"])
		require.NotEmpty(t, parsed.Type)
		require.LessOrEqual(t, len(parsed.Type), maxType)
		requireRoundTrip(t, parsed)
	})
}

func TestFrame_ParsingDoesNotCopyTheData(t *testing.T) {
	text := []byte(`{"type":"result","requestId":"r","data":{"output":"` + strings.Repeat("x", 60_000) + `"}}`)
	allocations := testing.AllocsPerRun(10, func() {
		_, err := parseFrame(text)
		require.NoError(t, err)
	})
	require.LessOrEqual(t, allocations, 2.0, "the type and the requestId")
}

// requireRoundTrip encodes a frame, parses it again and requires the same frame.
func requireRoundTrip(t *testing.T, first Frame) {
	t.Helper()
	var data any
	if first.Data != nil {
		data = first.Data
	}
	text, err := encodeFrame(first.Type, first.RequestID, data)
	require.NoError(t, err)
	second, err := parseFrame(text)
	require.NoError(t, err)
	require.Equal(t, first.Type, second.Type)
	require.Equal(t, first.RequestID, second.RequestID)
	if first.Data != nil {
		require.JSONEq(t, string(first.Data), string(second.Data))
	}
}

// FuzzFraming splits the same bytes in different ways. It requires that framing accepts
// the same number of bytes each time. If a frame is invalid, framing must accept only
// bytes of its header.
func FuzzFraming(f *testing.F) {
	for _, seed := range []string{
		"", "\x81\x85\x37\xfa\x21\x3dhello", "\x81\xfe\x00\x05\x37\xfa\x21\x3dhello", "\x88\x81\x01\x02\x03\x04\x05",
		"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00", "\x01\x80abcd\x00\x80abcd\x00\x80abcd\x00\x80abcd\x80\x80abcd",
		"\x89\x80abcd\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff", "\x8a\x00\x81\x7e\x00\x7d",
	} {
		for _, size := range []uint8{1, 2, 3, 7} {
			f.Add([]byte(seed), size)
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte, size uint8) {
		accepted, broken := advanceAll(t, [][]byte{wire})
		require.True(t, accepted <= len(wire) && (broken != nil || accepted == len(wire)))
		passed, err := advanceAll(t, slices.Collect(slices.Chunk(wire, max(1, int(size)))))
		require.Equal(t, broken, err)
		require.GreaterOrEqual(t, passed, accepted)
		require.Less(t, passed-accepted, len(framing{}.header))
	})
}

// advanceAll passes pieces to a new framing and returns how many bytes the framing
// accepted.
func advanceAll(t *testing.T, pieces [][]byte) (passed int, err error) {
	t.Helper()
	f := framing{maxFragments: 3}
	for _, piece := range pieces {
		for len(piece) > 0 {
			n, err := f.advance(piece)
			if passed += n; err != nil {
				return passed, err
			}
			require.True(t, n == len(piece) || f.headerLen == 0 && f.remaining == 0, "advance must return at the end of a frame")
			piece = piece[n:]
		}
	}
	return passed, nil
}
