// Package packages_test checks the packages that `make packages` has built. FIELDGATE_TEST_PACKAGES
// names their directory. The tests need root and Debian, because they install the packages.
package packages_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// names are the names of the packages, of their programs and of their users.
var names = []string{"fieldgate", "fieldgate-agent"}

// built returns the directory of the packages. Without one, it skips the test.
func built(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("FIELDGATE_TEST_PACKAGES")
	if dir == "" {
		t.Skip("FIELDGATE_TEST_PACKAGES names no directory: run make test-packages")
	}
	return dir
}

// packageFile returns the path of a package for this machine: .deb or .rpm.
func packageFile(t testing.TB, name, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(built(t), name+pattern))
	require.NoError(t, err)
	require.Len(t, found, 1, "%s%s", name, pattern)
	return found[0]
}

// deb returns the path of a Debian package for this machine.
func deb(t testing.TB, name string) string { return packageFile(t, name, "_*_"+runtime.GOARCH+".deb") }

// run runs a program and returns what it prints. It fails the test if the program fails.
func run(t testing.TB, program string, arguments ...string) string {
	t.Helper()
	out, err := exec.Command(program, arguments...).CombinedOutput()
	require.NoError(t, err, "%s %v\n%s", program, arguments, out)
	return string(out)
}

func TestUnits_PassVerifyAndAreHardened(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd is not installed")
	}
	for name, file := range map[string]string{
		"fieldgate": "fieldgate.service", "fieldgate-agent": "../../cmd/fieldgate-agent/fieldgate-agent.service",
	} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		unit := filepath.Join(t.TempDir(), name+".service")
		installed := strings.Replace(string(text), "ExecStart="+name, "ExecStart=/bin/true", 1)
		require.NotEqual(t, string(text), installed)
		require.NoError(t, os.WriteFile(unit, []byte(installed), 0o600))
		require.NotContains(t, run(t, "systemd-analyze", "verify", "--man=no", unit), unit)
		run(t, "systemd-analyze", "security", "--offline=true", "--threshold=20", unit) // in tenths
	}
}

// TestPrograms_NeedNothingOfTheSystem runs each program as the only file of a root directory.
func TestPrograms_NeedNothingOfTheSystem(t *testing.T) {
	t.Parallel()
	for _, name := range names {
		program := filepath.Join(built(t), "programs", runtime.GOARCH, name)
		file, err := elf.Open(program)
		require.NoError(t, err)
		defer file.Close()
		for _, segment := range file.Progs {
			require.NotEqual(t, elf.PT_INTERP, segment.Type, "%s needs a dynamic linker", name)
		}
		libraries, err := file.ImportedLibraries()
		require.NoError(t, err)
		require.Empty(t, libraries)

		root := t.TempDir()
		require.NoError(t, os.Link(program, filepath.Join(root, name)))
		cmd := exec.Command("/"+name, "--version")
		cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Chroot: root}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		require.NotEmpty(t, out)
	}
}

func TestPackages_LintianFindsNoErrors(t *testing.T) {
	t.Parallel()
	for _, name := range names {
		run(t, "lintian", "--allow-root", "--fail-on", "error", deb(t, name))
	}
}

// TestPackages_HaveManualAndCompletions requires that both kinds of package have them, where the systems of each
// kind look for them.
func TestPackages_HaveManualAndCompletions(t *testing.T) {
	t.Parallel()
	architecture := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	for _, name := range names {
		for packager, files := range map[string]string{
			"deb": run(t, "dpkg-deb", "--contents", deb(t, name)),
			"rpm": run(t, "rpm", "-qpl", packageFile(t, name, "-[0-9]*."+architecture+".rpm")),
		} {
			zsh := map[string]string{"deb": "vendor-completions", "rpm": "site-functions"}[packager]
			for _, path := range []string{
				"man/man1/" + name + ".1.gz", "bash-completion/completions/" + name,
				"fish/vendor_completions.d/" + name + ".fish", "zsh/" + zsh + "/_" + name,
			} {
				require.Contains(t, files, "/usr/share/"+path+"\n", packager)
			}
		}
	}
}

func TestPackages_RPMsInstall(t *testing.T) {
	t.Parallel()
	architecture := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	for _, name := range names {
		file := packageFile(t, name, "-[0-9]*."+architecture+".rpm")
		require.Contains(t, run(t, "rpm", "-qpl", file), "/usr/lib/systemd/system/"+name+".service")
		require.Contains(t, run(t, "rpm", "-qp", "--configfiles", file), "/etc/"+name+".env")
		run(t, "rpm", "--root", t.TempDir(), "--install", "--nodeps", "--noscripts", "--ignorearch", file)
	}
}
