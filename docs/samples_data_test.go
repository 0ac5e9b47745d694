package docs_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/fieldgate/fieldgate"
)

func TestSamples_JSONMatchesSchemas(t *testing.T) {
	t.Parallel()
	contract, err := openapi3.NewLoader().LoadFromData(fieldgate.Spec)
	require.NoError(t, err)
	frames := frameSchemas(t)
	for _, file := range sampledFiles(t) {
		for _, s := range samplesOf(t, file) {
			if s.language != "json" {
				continue
			}
			kind, name, _ := strings.Cut(s.annotation, ": ")
			schema := map[string]openapi3.Schemas{"schema": contract.Components.Schemas, "frame": frames}[kind][name]
			require.NotNil(t, schema, "%s:%d: the contracts have no %s", file, s.line, s.annotation)
			var value any
			require.NoError(t, json.Unmarshal([]byte(s.text), &value), "%s:%d", file, s.line)
			require.NoError(t, schema.Value.VisitJSON(value), "%s:%d", file, s.line)
		}
	}
}

// frameSchemas returns the schemas of the frames in asyncapi.yaml, by the id of the message.
// These schemas refer to schemas of openapi.yaml.
func frameSchemas(t testing.TB) openapi3.Schemas {
	t.Helper()
	var sockets struct {
		Components struct {
			Messages map[string]struct{ Payload any }
			Schemas  map[string]any
		}
	}
	require.NoError(t, yaml.Unmarshal(fieldgate.SocketSpec, &sockets))
	schemas := maps.Clone(sockets.Components.Schemas)
	for id, message := range sockets.Components.Messages {
		schemas["frame."+id] = message.Payload
	}
	text, err := json.Marshal(map[string]any{
		"openapi": "3.0.3", "info": map[string]any{"title": "frames", "version": "1"}, "paths": map[string]any{},
		"components": map[string]any{"schemas": schemas},
	})
	require.NoError(t, err)
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = true
	loader.ReadFromURIFunc = func(*openapi3.Loader, *url.URL) ([]byte, error) { return fieldgate.Spec, nil }
	document, err := loader.LoadFromDataWithPath(text, &url.URL{Path: "asyncapi.yaml"})
	require.NoError(t, err)
	frames := openapi3.Schemas{}
	for name, schema := range document.Components.Schemas {
		if id, ok := strings.CutPrefix(name, "frame."); ok {
			frames[id] = schema
		}
	}
	return frames
}

func TestGuides_ListAllMetrics(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("guides/operations.md")
	require.NoError(t, err)
	for name := range metrics(t) {
		require.True(t, strings.Contains(string(guide), "`"+name+"`"), "the guide does not list the metric %s", name)
	}
}

// metrics returns the names of the metrics that the source declares.
func metrics(t testing.TB) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`Name: +"(fieldgate_[a-z_]+)"`)
	names := map[string]bool{}
	require.NoError(t, filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "metrics.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, match := range declared.FindAllStringSubmatch(string(source), -1) {
			names[match[1]] = true
		}
		return err
	}))
	require.Greater(t, len(names), 8)
	return names
}
