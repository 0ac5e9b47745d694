package agent

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParameters_RefusesWrongTypesAndNames(t *testing.T) {
	t.Parallel()
	type parameters struct {
		Host string `json:"host"`
		Port int    `json:"port"`
	}
	for text, code := range map[string]string{
		`{"host":"a","port":1}`: "", `{}`: "", ``: "",
		`{"host":"a","shell":"sh"}`: CodeInvalidParameters, `{"port":"1"}`: CodeInvalidParameters, `{"port":1.5}`: CodeInvalidParameters,
		`[]`: CodeInvalidParameters, `{} {}`: CodeInvalidParameters, `{`: CodeInvalidParameters,
	} {
		_, err := Parameters[parameters](Command{Parameters: []byte(text)})
		if code == "" {
			require.NoError(t, err, text)
			continue
		}
		require.Equal(t, code, failureCode(err), text)
	}
}

// TestParameters_NamesAreExact covers names that encoding/json would take for the name of a
// field: a user approves the first value, and the last one would be used.
func TestParameters_NamesAreExact(t *testing.T) {
	t.Parallel()
	type target struct {
		Name string `json:"name"`
	}
	type base struct {
		Reason string `json:"reason"`
	}
	type parameters struct {
		base
		Args    []string          `json:"args"`
		Target  *target           `json:"target"`
		Targets []target          `json:"targets"`
		Labels  map[string]target `json:"labels"`
		Free    map[string]any    `json:"free"`
		Raw     json.RawMessage   `json:"raw"`
		Plain   string
		Hidden  string `json:"-"`
	}
	for _, text := range []string{
		`{"args":["telemetry"],"arg\u017f":["the-safety-controller"]}`, `{"args":["a"],"argſ":["b"]}`, `{"arg\u017f":["b"]}`,
		`{"args":["a"],"ARGS":["b"]}`, `{"Args":["a"]}`, `{"args":["a"],"args":["b"]}`, `{"args":["a"],"\u0061rgs":["b"]}`,
		`{"target":{"Name":"a"}}`, `{"target":{"name":"a","name":"b"}}`, `{"targets":[{"name":"a"},{"NAME":"b"}]}`,
		`{"labels":{"a":{"Name":"a"}}}`, `{"labels":{"a":{},"a":{}}}`, `{"free":{"a":{"b":1,"b":2}}}`, `{"raw":[{"b":1,"b":2}]}`,
		`{"REASON":"a"}`, `{"plain":"a"}`, `{"Hidden":"a"}`, `{"-":"a"}`, `{"base":{}}`, `{"args":["a"]`, `{"args":["a"]]`,
	} {
		_, err := Parameters[parameters](Command{Parameters: []byte(text)})
		require.Equal(t, CodeInvalidParameters, failureCode(err), text)
	}
	for _, text := range []string{
		`{"args":["a"],"reason":"b","Plain":"c"}`, `{"target":null,"targets":[{"name":"a"},{"name":"b"}]}`,
		`{"labels":{"a":{"name":"a"},"A":{"name":"a"}}}`, `{"free":{"a":1,"A":{"a":[1,{"b":null}]}},"raw":{"x":{"y":1}}}`,
	} {
		_, err := Parameters[parameters](Command{Parameters: []byte(text)})
		require.NoError(t, err, text)
	}
	_, err := Parameters[parameters](Command{Parameters: []byte(`{"arg\u017f":["b"]}`)})
	require.ErrorContains(t, err, `"arg\u017f"`, "the letter would look like an s")
	free, err := Parameters[map[string]any](Command{Parameters: []byte(`{"a":{"b":1}}`)})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": map[string]any{"b": 1.0}}, free)
}
