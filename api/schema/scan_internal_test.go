package schema

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var wide = Bounds{Bytes: 1 << 20, Values: 1 << 20, String: 1 << 20, Name: 1 << 20, Depth: maxDepth}

func TestScan_TakesWhatIsJSON(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `[]`, ` {"a": [1, -0, 0.5, 1e9, 1E+9, 1.5e-3, true, false, null, "x"]} `, `"\u00e9\uD83D\uDE00\/\b\f\n\r\t\\\""`,
		`123456789012345678901234567890`, strings.Repeat("[", 32) + strings.Repeat("]", 32),
	} {
		_, wrong := scan([]byte(text), wide)
		require.Nil(t, wrong, text)
	}
}

func TestScan_RefusesWhatIsNotJSON(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "{", "[", "}", `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `[1,]`, `[,1]`, `[1 2]`, `{a:1}`, `{'a':1}`, `{1:1}`, "nul", "nulll", "True",
		"01", "-", "-a", "1.", ".5", "+1", "1e", "1e+", "0x1", "1_000", "NaN", "Infinity", `"`, `"\`, `"\u12`, `"\u12g4"`, `"\u+123"`, `"\x41"`, "\"\n\"", "\"\x00\"",
		"{} {}", "1 1", "[1]]", "// no\n1", "\xef\xbb\xbf{}", "\"\xff\"", "\"\xed\xa0\x80\"",
	} {
		_, wrong := scan([]byte(text), wide)
		require.NotNil(t, wrong, "%q", text)
		require.Equal(t, "syntax", wrong.Keyword, "%q", text)
	}
}

func TestScan_RefusesHalfOfASurrogatePair(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`"\ud800"`, `"\udc00"`, `"\ud800x"`, `"\ud800\u0041"`, `"\ud800\ud800"`, `"\udc00\ud800"`, `{"\ud800":1}`, `["\uDFFF"]`, `"\ud800\\udc00"`,
	} {
		_, wrong := scan([]byte(text), wide)
		require.NotNil(t, wrong, text)
		require.Contains(t, wrong.Reason, "surrogate", text)
	}
}

func TestScan_HoldsItsBounds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		within, beyond string
		bounds         Bounds
		keyword        string
	}{
		"depth":  {`[[1]]`, `[[[1]]]`, Bounds{Values: 9, Depth: 2}, "maxDepth"},
		"values": {`[1,2]`, `[1,2,3]`, Bounds{Values: 3, Depth: 9}, "maxValues"},
		"name":   {`{"ab":1}`, `{"abc":1}`, Bounds{Values: 9, Depth: 9, Name: 2}, "maxLength"},
		"string": {`["ab"]`, `["abc"]`, Bounds{Values: 9, Depth: 9, String: 2}, "maxLength"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, wrong := scan([]byte(c.within), c.bounds)
			require.Nil(t, wrong)
			_, wrong = scan([]byte(c.beyond), c.bounds)
			require.NotNil(t, wrong)
			require.Equal(t, c.keyword, wrong.Keyword)
		})
	}
}

func TestScan_BuildsNothing(t *testing.T) {
	hostile := []byte("{" + strings.Repeat(`"":1,`, 400_000) + `"":1}`)
	allocations := testing.AllocsPerRun(3, func() {
		_, _ = scan(hostile, Bounds{Values: 16_384, Depth: maxDepth, Name: maxName})
	})
	require.Less(t, allocations, 10.0)
}

func TestScan_AgreesWithTheStandardLibrary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune(`{}[]:,"\u0aD89Ed.-+ e1tfrulns`)), 0, 24, -1).Draw(t, "text")
		_, wrong := scan([]byte(text), wide)
		if wrong == nil {
			require.True(t, json.Valid([]byte(text)), text)
		} else if json.Valid([]byte(text)) {
			require.Contains(t, wrong.Reason, "surrogate", text)
		}
	})
}

func TestBoundsOf_LetsThroughWhateverTheSchemaDoes(t *testing.T) {
	t.Parallel()
	length, most := uint64(10), uint64(3)
	text := openapi3.NewStringSchema()
	text.MaxLength = &length
	free := openapi3.NewObjectSchema()
	free.Extensions = map[string]any{MaxValues: 16384.0}
	list := openapi3.NewArraySchema().WithItems(text)
	list.MaxItems = &most

	require.Equal(t, int64(4096), BoundsOf(openapi3.NewObjectSchema().WithProperty("a", text)).Bytes)
	require.Equal(t, 2*16385, BoundsOf(free).Values)
	require.GreaterOrEqual(t, BoundsOf(free).Bytes, int64(3*32768))
	require.Equal(t, size{bytes: 3*62 + 2, values: 4, text: 60}, sizeOf(list))
}
