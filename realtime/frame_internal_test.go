package realtime

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzFrame holds the reader of frames to what the rest relies on, whatever comes.
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
			t.Skip("ends the socket before it is read")
		}
		read, err := parseFrame(text)
		require.True(t, validRequestID(read.ID), "whatever it is, it has an id for the log")
		if read.RequestID != "" {
			require.Equal(t, read.RequestID, read.ID)
		}
		if err != nil {
			require.Equal(t, error(errFrame), err)
			return
		}
		var object map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(text, &object), "what is taken is one JSON object")
		for name := range object {
			require.Contains(t, []string{"type", "requestId", "data"}, name)
		}
		require.Equal(t, read.Data, object["data"])
		require.NotEmpty(t, read.Type)
		require.LessOrEqual(t, len(read.Type), maxType)
		requireSameAgain(t, read)
	})
}

// requireSameAgain writes a frame and reads it again.
func requireSameAgain(t *testing.T, first Frame) {
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

// FuzzFraming holds that it makes no difference in which pieces bytes arrive, and that
// nothing of a frame that breaks a rule passes but a piece of its head.
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
		good, broken := followAll(t, [][]byte{wire})
		require.True(t, good <= len(wire) && (broken != nil || good == len(wire)))
		passed, err := followAll(t, slices.Collect(slices.Chunk(wire, max(1, int(size)))))
		require.Equal(t, broken, err)
		require.GreaterOrEqual(t, passed, good)
		require.Less(t, passed-good, len(framing{}.head))
	})
}

// followAll follows pieces frame by frame, and tells how many bytes passed.
func followAll(t *testing.T, pieces [][]byte) (passed int, err error) {
	t.Helper()
	f := framing{maxParts: 3}
	for _, piece := range pieces {
		for len(piece) > 0 {
			n, err := f.follow(piece)
			if passed += n; err != nil {
				return passed, err
			}
			require.True(t, n == len(piece) || f.have == 0 && f.rest == 0, "no more than one frame at a time")
			piece = piece[n:]
		}
	}
	return passed, nil
}
