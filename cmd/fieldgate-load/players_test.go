package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProcesses_OpenFilesSufficeForEachDevice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ wanted, devices, tenants, descriptors, want int }{
		"one is enough":              {0, 50, 4, 20_000, 1},
		"as the scenario says":       {3, 50, 4, 20_000, 3},
		"more than one holds":        {0, 20_000, 20, 20_000, 2},
		"few descriptors":            {0, 2_000, 20, 1_024, 4},
		"the limit is not known":     {0, 20_000, 20, 0, 2},
		"a tenant is in one process": {0, 20_000, 1, 20_000, 1},
	} {
		require.Equal(t, c.want, processes(c.wanted, c.devices, c.tenants, c.descriptors), name)
	}
}
