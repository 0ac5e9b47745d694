// Package commandtypestest compares the handlers of the agent with commandtypes.json, from which the
// console draws its forms.
package commandtypestest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// A CommandType describes a command type and its parameters in a subset of JSON Schema.
type CommandType struct {
	Description string              `json:"description"`
	Properties  map[string]Property `json:"properties"`
	Required    []string            `json:"required"`
}

// A Property describes a parameter. A format means that the handler may refuse more than the schema says.
type Property struct {
	Title       string    `json:"title"`
	Description string    `json:"description"`
	Type        string    `json:"type"`
	Format      string    `json:"format"`
	Pattern     string    `json:"pattern"`
	MaxLength   *int      `json:"maxLength"`
	MaxBytes    *int      `json:"x-max-bytes"`
	Minimum     *int      `json:"minimum"`
	Maximum     *int      `json:"maximum"`
	MaxItems    *int      `json:"maxItems"`
	Items       *Property `json:"items"`
	Examples    []any     `json:"examples"`
}

// Read returns the described types, by name. The working directory must be that of a package of the agent. An
// unknown keyword fails the test, because nothing would compare it.
func Read(t testing.TB) map[string]CommandType {
	t.Helper()
	file, err := os.Open("../commandtypes.json")
	require.NoError(t, err)
	defer file.Close()
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	types := map[string]CommandType{}
	require.NoError(t, decoder.Decode(&types))
	return types
}

// Require requires that a description accepts the parameters that a handler accepts, and no others. parameters is
// the type into which the handler decodes them.
func Require(t testing.TB, described CommandType, parameters reflect.Type, handle agent.Handler) {
	t.Helper()
	require.NotEmpty(t, described.Description)
	require.Equal(t, fields(parameters), kinds(described.Properties))
	example := map[string]any{}
	for name, property := range described.Properties {
		if len(property.Examples) > 0 {
			example[name] = property.Examples[0]
		}
	}
	requireVerdict(t, handle, example, true)
	requireVerdict(t, handle, with(example, "unknown", 1), false)
	for name, property := range described.Properties {
		without := maps.Clone(example)
		delete(without, name)
		requireVerdict(t, handle, without, !slices.Contains(described.Required, name))
		requireSameVerdicts(t, handle, example, name, property)
	}
}

// fields returns the kinds of the fields of a struct, by their names in JSON.
func fields(of reflect.Type) map[string]string {
	names := map[reflect.Kind]string{reflect.String: "string", reflect.Int: "integer", reflect.Slice: "array"}
	found := map[string]string{}
	for _, field := range reflect.VisibleFields(of) {
		found[field.Tag.Get("json")] = names[field.Type.Kind()]
	}
	return found
}

func kinds(of map[string]Property) map[string]string {
	found := map[string]string{}
	for name, property := range of {
		found[name] = property.Type
	}
	return found
}

// requireSameVerdicts requires that a handler and a description agree on values at and beside all limits.
func requireSameVerdicts(t testing.TB, handle agent.Handler, example map[string]any, name string, property Property) {
	t.Helper()
	for _, value := range candidates(property) {
		accepts := property.accepts(value)
		if property.Format != "" && accepts {
			continue
		}
		requireVerdict(t, handle, with(example, name, value), accepts)
	}
	if text, ok := example[name].(string); ok && property.MaxBytes != nil {
		full := text + strings.Repeat("x", *property.MaxBytes-len(text))
		requireVerdict(t, handle, with(example, name, full), true)
		requireVerdict(t, handle, with(example, name, full+"x"), false)
	}
}

func with(example map[string]any, name string, value any) map[string]any {
	changed := maps.Clone(example)
	changed[name] = value
	return changed
}

// requireVerdict requires that a handler accepts or refuses parameters. The context has ended, so that the handler
// does nothing else.
func requireVerdict(t testing.TB, handle agent.Handler, parameters map[string]any, accepted bool) {
	t.Helper()
	text, err := json.Marshal(parameters)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = handle(ctx, agent.Command{Parameters: text})
	failure, failed := errors.AsType[*agent.Failure](err)
	refused := failed && failure.Code == agent.CodeInvalidParameters
	require.Equal(t, accepted, !refused, "the handler and commandtypes.json differ on %.200s: %v", text, err)
}

// candidates returns values at and beside the limits of a property, and values of other types.
func candidates(of Property) []any {
	values := []any{true, 1.5, map[string]any{}}
	switch of.Type {
	case "integer":
		for _, limit := range []int{*of.Minimum, *of.Maximum} {
			values = append(values, limit-1, limit, limit+1)
		}
	case "array":
		values = append(values, []int{1}, []string{}, make([]string, *of.MaxItems), make([]string, *of.MaxItems+1))
		for _, text := range append(lengths(), "\x00", "a\x00b", "a\nb", "") {
			values = append(values, []string{text})
		}
	default:
		for _, text := range append(lengths(), similar(of.Examples[0].(string))...) {
			values = append(values, text)
		}
	}
	return values
}

// lengths returns texts of many lengths, in one label of a host name and in several.
func lengths() []string {
	var texts []string
	for _, n := range []int{0, 1, 2, 62, 63, 64, 65, 252, 253, 254, 255, 256, 1023, 1024, 1025, 2047, 2048, 2049} {
		texts = append(texts, strings.Repeat("x", n), strings.Repeat("x.", n)[:n], strings.Repeat("ü", n/2))
	}
	return texts
}

// similar returns texts that differ from an example by one character, and addresses.
func similar(example string) []string {
	texts := []string{"127.0.0.1", "::1", "2001:db8::7f00:1", "::ffff:127.0.0.1", "HTTP://127.0.0.1", "https://[::1]:8443/a?b=c#d"}
	characters := []rune("ü\u0430\u200b\u00a0")
	for character := range rune(utf8.RuneSelf) {
		characters = append(characters, character)
	}
	for _, character := range characters {
		for _, at := range []int{0, 1, len(example) / 2, len(example)} {
			texts = append(texts, example[:at]+string(character)+example[at:])
		}
	}
	return texts
}

// accepts reports whether a description accepts a value.
func (p Property) accepts(value any) bool {
	switch value := value.(type) {
	case string:
		return p.Type == "string" && p.acceptsText(value)
	case int:
		return p.Type == "integer" && value >= *p.Minimum && value <= *p.Maximum
	case []string:
		return p.Type == "array" && len(value) <= *p.MaxItems && !slices.ContainsFunc(value, func(item string) bool { return !p.Items.accepts(item) })
	default:
		return false
	}
}

func (p Property) acceptsText(text string) bool {
	return (p.MaxLength == nil || utf8.RuneCountInString(text) <= *p.MaxLength) &&
		(p.MaxBytes == nil || len(text) <= *p.MaxBytes) &&
		(p.Pattern == "" || regexp.MustCompile(goPattern(p.Pattern)).MatchString(text))
}

// goPattern returns a pattern in the syntax of Go, in which an escape has braces.
func goPattern(pattern string) string {
	return strings.ReplaceAll(pattern, `\u0000`, fmt.Sprintf(`\x{%04x}`, 0))
}
