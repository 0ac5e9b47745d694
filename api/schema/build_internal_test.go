package schema

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// decodeWithStandardLibrary decodes text as builder does.
func decodeWithStandardLibrary(t require.TestingT, text []byte) (value any) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&value))
	return value
}

func TestBuilder_DecodesLikeTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `[]`, ` [ ] `, "\n{\t\"a\" : [ 1 , -0.50e+9,2] ,\r\"b\":{\"c\":null,\"\":true}, \"d\":false } ", `"\\"`, `"\\\""`, `"\ud83d\ude00\u0000"`,
		`{"\u0061":"é\n\/"}`, `[[[]],[{}]]`, `1`, ` -1.5E-3 `, `null`, `"😀"`, `123456789012345678901234567890`,
	} {
		b := builder{text: []byte(text)}
		require.Equal(t, decodeWithStandardLibrary(t, []byte(text)), b.value(), text)
		require.False(t, b.repeated, text)
	}
}

// sample is a JSON text, and whether an object in it has the same name twice.
type sample struct {
	text     string
	repeated bool
}

// samples returns a generator of texts with white space between the tokens.
func samples(depth int) *rapid.Generator[sample] {
	scalar := rapid.SampledFrom([]string{"true", "false", "null", "0", "-1", "1.50", "2e+9", `"x,:]}"`, `"\\"`, `"\ud83d\ude00"`, `"é"`})
	return rapid.Custom(func(t *rapid.T) sample {
		var s sample
		switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); {
		case depth == 0 || kind < 2:
			s.text = scalar.Draw(t, "scalar")
		case kind == 2:
			s = joinSamples(t, "[", "]", rapid.SliceOfN(samples(depth-1), 0, 3).Draw(t, "items"))
		default:
			s = joinSamples(t, "{", "}", rapid.SliceOfN(memberSamples(depth-1), 0, 3).Draw(t, "members"))
		}
		s.text = space(t) + s.text + space(t)
		return s
	})
}

// memberSamples returns a generator of members of an object, of which some have the same name.
func memberSamples(depth int) *rapid.Generator[sample] {
	return rapid.Custom(func(t *rapid.T) sample {
		name := rapid.SampledFrom([]string{`"a"`, `"b"`, `"\u0061"`, `""`, `"a\"b"`}).Draw(t, "name")
		value := samples(depth).Draw(t, "value")
		return sample{space(t) + name + space(t) + ":" + value.text, value.repeated}
	})
}

// joinSamples returns an array or object of the elements.
func joinSamples(t *rapid.T, opening, closing string, elements []sample) (s sample) {
	names, texts := map[string]bool{}, []string{}
	for _, e := range elements {
		texts = append(texts, e.text)
		s.repeated = s.repeated || e.repeated
		if opening == "{" {
			var object map[string]any
			require.NoError(t, json.Unmarshal([]byte("{"+e.text+"}"), &object))
			for name := range object {
				s.repeated = s.repeated || names[name]
				names[name] = true
			}
		}
	}
	s.text = opening + strings.Join(texts, ",") + space(t) + closing
	return s
}

func space(t *rapid.T) string {
	return rapid.StringOfN(rapid.SampledFrom([]rune(" \t\r\n")), 0, 2, -1).Draw(t, "space")
}

func TestBuilder_AgreesWithTheStandardLibraryOnRandomTexts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := samples(3).Draw(t, "sample")
		_, wrong := scan([]byte(s.text), wide)
		require.Nil(t, wrong)
		b := builder{text: []byte(s.text)}
		require.Equal(t, decodeWithStandardLibrary(t, []byte(s.text)), b.value())
		require.Equal(t, s.repeated, b.repeated, "a name occurs twice")
	})
}
