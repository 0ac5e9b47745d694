// Package image_test builds the images of the gateway and of the agent, and checks them. FIELDGATE_TEST_IMAGE names the
// directory with the program of each architecture. The tests need root and buildah.
package image_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// TestImage_HasOneProgramThatServesWithoutRights builds the image, and runs its program as its
// user, with its files as the root directory.
func TestImage_HasOneProgramThatServesWithoutRights(t *testing.T) {
	t.Parallel()
	b := build(t, "Dockerfile", "fieldgate")
	var image struct {
		Docker struct {
			Config struct {
				User, StopSignal string
				Entrypoint, Cmd  []string
				Healthcheck      struct{ Test []string }
			} `json:"config"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(b.run(t, "inspect", "--type", "image", "fieldgate")), &image))
	config := image.Docker.Config
	require.Equal(t, "65532:65532", config.User)
	require.Equal(t, "SIGTERM", config.StopSignal)

	root := b.run(t, "mount", b.run(t, "from", "fieldgate"))
	require.Equal(t, []string{"fieldgate"}, filesIn(t, root))
	addr := storetest.FreeAddr(t)
	settings := []string{
		"FIELDGATE_REDIS_URL=" + storetest.SharedURL(t), "FIELDGATE_SUPABASE_URL=" + customertest.NewIssuer(t).URL(),
		"FIELDGATE_ADDR=" + addr[strings.LastIndexByte(addr, ':'):], "FIELDGATE_METRICS_ADDR=off", // as in containers
		"FIELDGATE_DRAIN_DELAY=0s",
	}
	serve := inImage(root, settings, append(config.Entrypoint, config.Cmd...)...)
	var log storetest.Buffer
	serve.Stderr = &log
	require.NoError(t, serve.Start())
	t.Cleanup(func() { _ = serve.Process.Kill() })
	require.Eventually(t, func() bool {
		response, err := http.Get("http://" + addr + "/readyz")
		if err == nil {
			response.Body.Close()
		}
		return err == nil && response.StatusCode == http.StatusOK
	}, time.Minute, 20*time.Millisecond, "the gateway does not serve")
	require.Equal(t, "CMD", config.Healthcheck.Test[0])
	require.NoError(t, inImage(root, settings, config.Healthcheck.Test[1:]...).Run())
	require.NoError(t, serve.Process.Signal(syscall.SIGTERM))
	require.NoError(t, serve.Wait(), log.String())
	require.Error(t, inImage(root, settings, config.Healthcheck.Test[1:]...).Run())
}

// TestAgentImage_HasOneProgramAndItsState requires that the directory of the state belongs to the user of the image,
// because a volume takes its owner from it.
func TestAgentImage_HasOneProgramAndItsState(t *testing.T) {
	t.Parallel()
	b := build(t, "agent.Dockerfile", "fieldgate-agent")
	root := b.run(t, "mount", b.run(t, "from", "fieldgate-agent"))
	require.Equal(t, []string{"fieldgate-agent"}, filesIn(t, root))
	info, err := os.Stat(filepath.Join(root, "var/lib/fieldgate-agent"))
	require.NoError(t, err)
	require.Equal(t, uint32(65532), info.Sys().(*syscall.Stat_t).Uid)
	out, err := inImage(root, nil, "/fieldgate-agent", "--version").CombinedOutput()
	require.NoError(t, err, string(out))
}

// A builder runs buildah with a storage of its own.
type builder struct{ storage string }

// build builds an image from a file of this directory, with a name. It skips the test if there are no
// programs to put into the image.
func build(t *testing.T, file, name string) builder {
	t.Helper()
	programs := os.Getenv("FIELDGATE_TEST_IMAGE")
	if programs == "" {
		t.Skip("FIELDGATE_TEST_IMAGE names no directory: run make test-image")
	}
	b := builder{storage: t.TempDir()}
	b.run(t, "bud", "--format", "docker", "--isolation", "chroot", "--build-arg", "TARGETARCH="+runtime.GOARCH,
		"-f", file, "-t", name, programs)
	return b
}

// run runs a command of buildah and returns its last line.
func (b builder) run(t testing.TB, arguments ...string) string {
	t.Helper()
	storage := []string{"--storage-driver", "vfs", "--root", filepath.Join(b.storage, "root"), "--runroot", filepath.Join(b.storage, "run")}
	cmd := exec.Command("buildah", append(storage, arguments...)...)
	out, err := cmd.Output()
	require.NoError(t, err, "buildah %v\n%s", arguments, out)
	return strings.TrimSpace(string(out))
}

// inImage returns a command that runs a program of the image as the user of the image, with no
// rights.
func inImage(root string, settings []string, command ...string) *exec.Cmd {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env = "/", settings
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}, Pdeathsig: syscall.SIGKILL,
	}
	return cmd
}

// filesIn returns the paths of all files in a directory.
func filesIn(t testing.TB, root string) (files []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			path, err = filepath.Rel(root, path)
			files = append(files, path)
		}
		return err
	}))
	return files
}
