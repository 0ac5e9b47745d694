package queue

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// plainState is a state as the scripts encode it: a finished command that was approved.
const plainState = `{"status":"succeeded","session":"ses_1","request":"r-1","proposer":"user:alice","proposer_name":"Zoë","seq":7,` +
	`"priority":5,"max":3,"attempt":1,"claims":2,"created":1764446400000,"deliver_by":1764446460000,"approve_by":1764446430000,` +
	`"queued":1764446400001,"claimed":1764446400002,"visible":1764446430002,"finished":1764446400003,"first":1764446400002,` +
	`"token":"abc","past":"d e","returned":false,"cancel":true,"late":true,"result":"f","digest":"g","mac":"h","bytes":2100,` +
	`"approval":{"decision":"approved","by":"user:bob","name":"Bob","email":"b@example.com","at":1764446400001,"reason":"","mac":"i"},` +
	`"history":[{"attempt":1,"claimed":1764446400002,"ended":0,"outcome":"released"},{"attempt":1,"claimed":-1}]}`

// states are texts that parseState has to decode like package encoding/json, or to leave to it.
var states = []string{
	plainState, `{}`, `{"history":[]}`, `{"history":{}}`, `{"approval":{}}`, `{"approval":null}`, `{"status":null}`,
	`{"status":"a\u0062"}`, `{"status":"a"b"}`, "{\"status\":\"\xff\"}", "{\"status\":\"\n\"}", `{"Status":"a"}`, `{"unknown":1}`,
	`{"max":1.0}`, `{"max":1e3}`, `{"max":01}`, `{"max":-0}`, `{"max":-}`, `{"max":12345678901234567890}`, `{"max":"1"}`,
	`{"max":1,"max":2}`, `{"approval":{"by":"a"},"approval":{"at":1}}`, `{"history":[{"attempt":1}],"history":[{"claimed":1}]}`,
	`{"max":1,}`, `{"max":1`, `{"max":1}}`, `{"max" :1}`, ` {}`, ``, `[]`, `null`, `{"history":[{}`, `{"history":[{},]}`, `{"seq":[]}`,
	`{"late":truefalse}`, `{"late":t}`, `{"returned":tru}`, `{"seq":}`,
}

func TestParseState_AcceptsWhatScriptsWrite(t *testing.T) {
	t.Parallel()
	s, ok := parseState(plainState)
	require.True(t, ok)
	require.Equal(t, "Zoë", s.Name)
	require.Len(t, s.History, 2)
}

func TestParseState_AgreesWithJSON(t *testing.T) {
	t.Parallel()
	for _, raw := range states {
		requireAgreement(t, raw)
	}
}

// FuzzParseState requires that parseState accepts nothing that package encoding/json decodes to
// another state or refuses.
func FuzzParseState(f *testing.F) {
	for _, raw := range states {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) { requireAgreement(t, raw) })
}

func requireAgreement(t *testing.T, raw string) {
	t.Helper()
	got, ok := parseState(raw)
	if !ok {
		return
	}
	var want state
	require.NoError(t, json.Unmarshal([]byte(raw), &want), raw)
	require.Equal(t, want, got, raw)
}

func BenchmarkDecodeState(b *testing.B) {
	b.Run("parsed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = parseState(plainState)
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var s state
			_ = json.Unmarshal([]byte(plainState), &s)
		}
	})
}
