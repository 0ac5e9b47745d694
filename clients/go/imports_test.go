package fieldgate_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFirmwareGetsNothingOfTheServer(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./...").Output()
	require.NoError(t, err)
	for _, path := range strings.Fields(string(out)) {
		require.Regexp(t, `^github\.com/(fieldgate/fieldgate/clients/go|oapi-codegen/runtime|google/uuid|apapsch/go-jsonmerge)(/|$)`, path)
	}
}
