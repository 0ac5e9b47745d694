package packages_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersion_SortsAsTheCommitsDo(t *testing.T) {
	t.Parallel()
	var last string
	for _, step := range []struct{ described, version string }{
		{"1a2b3c4-dirty", "0~git20261130050102.1a2b3c4.dirty"},
		{"v1.1.0-rc.1", "1.1.0~rc.1"},
		{"v1.1.0-rc.1-2-g1a2b3c4", "1.1.0~rc.1+2+g1a2b3c4"},
		{"v1.1.0-rc.2", "1.1.0~rc.2"},
		{"v1.1.0", "1.1.0"},
		{"v1.1.0-3-g1a2b3c4", "1.1.0+3+g1a2b3c4"},
		{"v1.1.0-20-g1a2b3c4-dirty", "1.1.0+20+g1a2b3c4+dirty"},
		{"v1.1.1", "1.1.1"},
	} {
		version := strings.TrimSpace(run(t, "sh", "version.sh", step.described, "1796014862"))
		require.Equal(t, step.version, version)
		if _, err := exec.LookPath("dpkg"); err == nil && last != "" {
			run(t, "dpkg", "--compare-versions", last, "lt", version)
		}
		last = version
	}
}

// TestVersion_IsNotTheTagOfTheClient tags a commit as a release does: for the programs and for the
// module of the Go client.
func TestVersion_IsNotTheTagOfTheClient(t *testing.T) {
	t.Parallel()
	makefile, repository := strings.TrimSpace(run(t, "realpath", "../../Makefile")), t.TempDir()
	git := func(arguments ...string) {
		run(t, "git", append([]string{"-C", repository, "-c", "user.name=t", "-c", "user.email=t@example.com"}, arguments...)...)
	}
	git("init", "--quiet")
	git("commit", "--quiet", "--allow-empty", "--message", "release")
	git("tag", "v1.1.0")
	git("tag", "clients/go/v1.1.0")
	require.Equal(t, "v1.1.0\n", run(t, "make", "--silent", "--no-print-directory", "-C", repository, "-f", makefile,
		"--eval", "print-version: ; @echo $(VERSION)", "print-version"))
}
