// Package release_test checks what a release publishes: the modules, the configuration of the release, and
// the versions in it.
package release_test

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

const (
	root         = "../.."
	gatewayPath  = "github.com/fieldgate/fieldgate"
	clientPath   = gatewayPath + "/clients/go"
	tested       = "v1.99.0" // the version as which the tests publish the gateway
	licenseInZip = "LICENSE"
)

// TestModules_InstallFromAProxy publishes the modules of this tree on a proxy of files, and installs both
// programs from it, as `go install github.com/fieldgate/fieldgate/cmd/fieldgate@version` does for everyone.
// A replace directive in go.mod, or a file that the zip of the module lacks, fails it.
func TestModules_InstallFromAProxy(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: it builds both programs")
	}
	t.Parallel()
	proxy, work := t.TempDir(), t.TempDir()
	publish(t, proxy, module.Version{Path: gatewayPath, Version: tested}, root)
	publish(t, proxy, requiredClient(t), filepath.Join(root, "clients/go"))

	known := "file://" + filepath.Join(goEnv(t, "GOMODCACHE"), "cache/download") // so that no other module is fetched again
	for _, name := range []string{"fieldgate", "fieldgate-agent"} {
		cmd := exec.Command("go", "install", gatewayPath+"/cmd/"+name+"@"+tested)
		cmd.Dir = work
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOBIN="+work, "GOMODCACHE="+filepath.Join(work, "modules"),
			"GOPROXY=file://"+proxy+","+known+","+goEnv(t, "GOPROXY"), "GOSUMDB=off", "GOPRIVATE=", "GONOPROXY=none",
			"GOFLAGS=-modcacherw -trimpath", "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		version, err := exec.Command(filepath.Join(work, name), "--version").Output()
		require.NoError(t, err)
		require.Equal(t, tested+"\n", string(version))
	}
}

// TestModules_WorkspaceHasTheRequiredClient requires that go.work stands for the version of the client that
// go.mod requires. Otherwise the go command would look up a version that is not published yet.
func TestModules_WorkspaceHasTheRequiredClient(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join(root, "go.work"))
	require.NoError(t, err)
	workspace, err := modfile.ParseWork("go.work", content, nil)
	require.NoError(t, err)
	require.Len(t, workspace.Replace, 1)
	require.Equal(t, requiredClient(t), workspace.Replace[0].Old)
	require.Equal(t, module.Version{Path: "./clients/go"}, workspace.Replace[0].New)
}

// requiredClient returns the version of the client that the gateway requires.
func requiredClient(t testing.TB) module.Version {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	file, err := modfile.Parse("go.mod", content, nil)
	require.NoError(t, err)
	require.Empty(t, file.Replace, "go install refuses a module with a replace directive")
	for _, r := range file.Require {
		if r.Mod.Path == clientPath {
			return r.Mod
		}
	}
	require.Fail(t, "go.mod does not require the client")
	return module.Version{}
}

// publish writes a module into the directory of a proxy, in the layout of the GOPROXY protocol.
func publish(t testing.TB, proxy string, m module.Version, dir string) {
	t.Helper()
	versions := filepath.Join(proxy, filepath.FromSlash(m.Path), "@v")
	require.NoError(t, os.MkdirAll(versions, 0o755))
	write := func(name string, content []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(versions, name), content, 0o600))
	}
	info, err := json.Marshal(map[string]any{"Version": m.Version, "Time": time.Unix(0, 0).UTC()})
	require.NoError(t, err)
	goMod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	write("list", []byte(m.Version+"\n"))
	write(m.Version+".info", info)
	write(m.Version+".mod", goMod)

	archive, err := os.Create(filepath.Join(versions, m.Version+".zip"))
	require.NoError(t, err)
	defer archive.Close()
	require.NoError(t, modzip.Create(archive, m, filesOf(t, dir)))
}

// filesOf returns the files of a directory that git knows, or would add. The zip omits those of other modules
// below it. As the go command does, it adds the license of the repository.
func filesOf(t testing.TB, dir string) (files []modzip.File) {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = dir
	out, err := cmd.Output()
	require.NoError(t, err)
	license := false
	for path := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if info, err := os.Lstat(filepath.Join(dir, path)); err == nil && info.Mode().IsRegular() {
			files = append(files, file{path: path, on: filepath.Join(dir, path)})
			license = license || path == licenseInZip
		}
	}
	if !license {
		files = append(files, file{path: licenseInZip, on: filepath.Join(root, licenseInZip)})
	}
	return files
}

// file is a file of a module: its path in the module, and where it is on the disk.
type file struct{ path, on string }

// Path returns the path of the file in the module.
func (f file) Path() string { return filepath.ToSlash(f.path) }

// Lstat describes the file.
func (f file) Lstat() (os.FileInfo, error) { return os.Lstat(f.on) }

// Open opens the file.
func (f file) Open() (io.ReadCloser, error) { return os.Open(f.on) }

// goEnv returns a variable of the go command.
func goEnv(t testing.TB, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}
