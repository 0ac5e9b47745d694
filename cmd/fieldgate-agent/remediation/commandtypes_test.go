package remediation

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/commandtypestest"
)

func TestCommandTypes_DescribeWhatTheScriptsAccept(t *testing.T) {
	t.Parallel()
	scripts, err := OpenScripts(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(scripts.Close)
	handlers := map[string]agent.Handler{runType: scripts.run, spaceType: scripts.freeSpace}
	parameterTypes := map[string]reflect.Type{runType: reflect.TypeFor[parameters](), spaceType: reflect.TypeFor[struct{}]()}
	types := commandtypestest.Read(t)
	maps.DeleteFunc(types, func(name string, _ commandtypestest.CommandType) bool {
		return strings.HasPrefix(name, "diagnostic.")
	})
	require.ElementsMatch(t, slices.Collect(maps.Keys(handlers)), slices.Collect(maps.Keys(types)))
	for name, described := range types {
		commandtypestest.Require(t, described, parameterTypes[name], handlers[name])
	}
}
