package queue

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// plainState is a state as the scripts encode it: a finished command that was approved.
const plainState = `{"status":"succeeded","session":"ses_1","request":"r-1","proposer":"user:alice","proposer_name":"Zoë","seq":7,` +
	`"priority":5,"max":3,"attempt":1,"claims":2,"created":1764446400000,"deliver_by":1764446460000,"approve_by":1764446430000,` +
	`"queued":1764446400001,"claimed":1764446400002,"visible":1764446430002,"finished":1764446400003,"first":1764446400002,` +
	`"token":"abc","past":"d e","returned":false,"cancel":true,"late":true,"result":"f","digest":"g","mac":"h","bytes":2100,` +
	`"approval":{"decision":"approved","by":"user:bob","name":"Bob","email":"b@example.com","at":1764446400001,"reason":"","mac":"i"},` +
	`"history":[{"attempt":1,"claimed":1764446400002,"ended":0,"outcome":"released"},{"attempt":1,"claimed":-1}]}`

// votedState is a state of a command that several users have approved, and an admin alone.
const votedState = `{"status":"queued","required":3,"votes":[{"by":"user:bob","name":"Bob","at":1,"aal":"aal2","roles":"viewer admin","age":60000,"mac":"i"},{"by":"user:carol","at":2}],` +
	`"approval":{"decision":"approved","by":"user:dora","at":3,"glass":true},"glass":{"by":"user:dora","name":"Dora","email":"d@example.com","at":3,` +
	`"reason":"fire","reviewer":"user:erin","reviewer_name":"Erin","reviewer_email":"e@example.com","reviewed":4,"comment":"seen"}}`

// states are texts that parseState has to decode like package encoding/json, or to leave to it.
var states = []string{
	plainState, votedState, `{}`, `{"votes":[]}`, `{"votes":{}}`, `{"votes":[{}]}`, `{"votes":[{"by":"a"}],"votes":[{"by":"b"}]}`, `{"votes":null}`, `{"votes":[1]}`,
	`{"glass":{}}`, `{"glass":null}`, `{"glass":{"by":"a"},"glass":{"at":1}}`, `{"glass":[]}`, `{"required":"2"}`, `{"votes":[{"by":"a"},]}`, `{"history":[]}`, `{"history":{}}`, `{"approval":{}}`, `{"approval":null}`, `{"status":null}`,
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
	s, ok = parseState(votedState)
	require.True(t, ok)
	require.Len(t, s.Votes, 2)
	require.Equal(t, "viewer admin", s.Votes[0].Roles)
	require.EqualValues(t, 60000, s.Votes[0].Age)
	require.Equal(t, "seen", s.Glass.Comment)
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

// TestParsePacked_AgreesWithJSON packs states as the scripts do, in Redis, and requires that both
// formats are parsed to the same state.
func TestParsePacked_AgreesWithJSON(t *testing.T) {
	t.Parallel()
	redis := storetest.Start(t).Client(t)
	rapid.Check(t, func(rt *rapid.T) {
		raw, err := json.Marshal(anyState(rt))
		require.NoError(rt, err)
		packed, err := redis.Eval(t.Context(), `return cmsgpack.pack(cjson.decode(ARGV[1]))`, nil, raw).Text()
		require.NoError(rt, err)
		require.True(rt, isPacked(packed))
		want, err := decodeState(string(raw))
		require.NoError(rt, err)
		got, err := decodeState(packed)
		require.NoError(rt, err)
		require.Equal(rt, want, got)
		require.JSONEq(rt, string(raw), unpackedState(packed))
		require.Equal(rt, packed[1:], unpackedState(packed[1:]), "a damaged state")
		for end := range len(packed) {
			_, ok := parsePacked(packed[:end])
			require.False(rt, ok, "a packed state that lacks its end")
		}
		_, ok := parsePacked(packed + "\x01")
		require.False(rt, ok, "a packed state that another value follows")
	})
}

// TestParsePacked_ReadsWhatScriptsRead requires that a packed state which no script has written is
// refused, or read as the scripts read it.
func TestParsePacked_ReadsWhatScriptsRead(t *testing.T) {
	t.Parallel()
	redis := storetest.Start(t).Client(t)
	for name, packed := range map[string]string{
		"a name twice":           "\x83\xa3max\x01\xa8deliver_\x07\xa3max\x02",
		"an approval twice":      "\x82\xa8approval\x81\xa2by\xa1a\xa8approval\x81\xa2at\x05",
		"a history twice":        "\x82\xa7history\x91\x81\xa7attempt\x01\xa7history\x91\x81\xa7claimed\x02",
		"a name in upper case":   "\x82\xa3max\x01\xa3MAX\x02",
		"an integer of 64 bits":  "\x81\xa7created\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
		"a fraction":             "\x81\xa3max\xca\x3f\xc0\x00\x00",
		"a number as text":       "\x81\xa3max\xa11",
		"text as a number":       "\x81\xa7session\x01",
		"a name that is no text": "\x82\x01\x02\xa3max\x01",
		"no value":               "\x81\xa3max\xc0",
		"bytes":                  "\x81\xa7session\xc4\x01a",
	} {
		got, ok := parsePacked(packed)
		if !ok {
			continue
		}
		raw, err := storetest.StateJSON(t.Context(), redis, packed)
		require.NoError(t, err, name)
		var want state
		raw = strings.ReplaceAll(raw, "MAX", "other") // encoding/json ignores case, and the scripts do not
		require.NoError(t, json.Unmarshal([]byte(raw), &want), name)
		require.Equal(t, want, got, name)
	}
}

// anyState returns a state with some of the fields that scripts write, and some of a later release.
func anyState(t *rapid.T) map[string]any {
	text := rapid.StringMatching(`[a-zé"\\ ]{0,40}|x{200,300}`)
	number := rapid.OneOf(rapid.Int64Range(0, 300), rapid.Int64Range(0, 70000), rapid.Int64Range(1e12, 2e12), rapid.Int64Range(-1e10, 0))
	small := rapid.IntRange(0, 100)
	attempt := rapid.Custom(func(t *rapid.T) map[string]any {
		return map[string]any{"attempt": small.Draw(t, "attempt"), "claimed": number.Draw(t, "claimed"), "outcome": text.Draw(t, "outcome")}
	})
	all := map[string]any{
		"status": text.Draw(t, "status"), "session": text.Draw(t, "session"), "proposer_name": text.Draw(t, "name"), "packed": true,
		"priority": small.Draw(t, "priority"), "max": small.Draw(t, "max"), "created": number.Draw(t, "created"),
		"visible": number.Draw(t, "visible"), "seq": number.Draw(t, "seq"), "cancel": rapid.Bool().Draw(t, "cancel"),
		"past": text.Draw(t, "past"), "first": number.Draw(t, "first"), "digest": text.Draw(t, "digest"),
		"history":  rapid.SliceOfN(attempt, 1, 20).Draw(t, "history"),
		"approval": map[string]any{"by": text.Draw(t, "by"), "at": number.Draw(t, "at"), "reason": text.Draw(t, "reason")},
		"votes":    rapid.SliceOfN(rapid.Just(map[string]any{"by": "user:v", "at": 7, "aal": "aal2", "roles": "approver", "age": 60000}), 1, 20).Draw(t, "votes"),
		"glass":    map[string]any{"by": text.Draw(t, "glass"), "reviewed": number.Draw(t, "reviewed"), "comment": "seen"},
		"later":    []any{1.5, "text", true, map[string]any{"a": -200}}, "later_number": number.Draw(t, "later"),
	}
	for name := range all {
		if name != "packed" && rapid.IntRange(0, 4).Draw(t, "absent") == 0 {
			delete(all, name)
		}
	}
	return all
}

// FuzzParsePacked requires that parsePacked ends for any text.
func FuzzParsePacked(f *testing.F) {
	f.Add("\x82\xa6status\xa6queued\xa3max\x03")
	f.Add("\xde\xff\xff\xa1a")
	f.Fuzz(func(_ *testing.T, raw string) {
		parsePacked(raw)
		unpackedState(raw)
	})
}

func TestCountedBytes_UnreadableStateCountsNothing(t *testing.T) {
	t.Parallel()
	const packed = "\x82\xa5bytes\x07\xa3max\x03"
	require.EqualValues(t, 7, countedBytes(packed))
	require.EqualValues(t, 7, countedBytes(`{"bytes":7,"max":3}`))
	require.Zero(t, countedBytes(packed[:len(packed)-1]))
	require.Zero(t, countedBytes(`{"bytes":7,"max":`))
}
