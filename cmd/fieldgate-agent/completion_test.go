package main_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCompletion_NeedsNoSettings runs the commands on a machine without settings, where a shell or the
// build of a package runs them.
func TestCompletion_NeedsNoSettings(t *testing.T) {
	t.Parallel()
	for _, arguments := range [][]string{{"completion", "bash"}, {"completion", "zsh"}, {"completion", "fish"}, {"man"}} {
		cmd := exec.Command(program, arguments...)
		cmd.Env = []string{}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		for _, name := range []string{"doctor", "adopt", "reset", "scripts"} {
			require.Contains(t, string(out), name, "%v", arguments)
		}
	}
}
