package diagnostics

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/commandtypestest"
)

func TestCommandTypes_DescribeWhatTheDiagnosticsAccept(t *testing.T) {
	t.Parallel()
	types := commandtypestest.Read(t)
	maps.DeleteFunc(types, func(name string, _ commandtypestest.CommandType) bool {
		return !strings.HasPrefix(name, "diagnostic.")
	})
	require.ElementsMatch(t, slices.Collect(maps.Keys(handlers)), slices.Collect(maps.Keys(types)))
	for name, described := range types {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			commandtypestest.Require(t, described, handlers[name].parameters, handlers[name].run)
		})
	}
}
