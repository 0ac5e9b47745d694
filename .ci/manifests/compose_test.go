package manifests_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// composeDir is the directory of the Compose file.
const composeDir = root + "/deploy/compose"

// prepare copies the files of the Compose project, runs prepare.sh there, and returns the directory.
func prepare(t testing.TB) string {
	t.Helper()
	deploy := filepath.Join(t.TempDir(), "deploy")
	require.NoError(t, os.CopyFS(filepath.Join(deploy, "compose"), os.DirFS(composeDir)))
	for _, file := range []string{"deploy/redis.acl", "docs/guides/operations.md"} {
		path := filepath.Join(filepath.Dir(deploy), file)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(read(t, file)), 0o600))
	}
	run(t, filepath.Join(deploy, "compose", "prepare.sh"))
	return filepath.Join(deploy, "compose")
}

// run runs a program and returns what it prints.
func run(t testing.TB, program string, arguments ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, arguments...).CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// load parses a Compose file as `docker compose config` does, with all profiles.
func load(t testing.TB, dir string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "compose.yaml")}, cli.WithProfiles([]string{"*"}))
	require.NoError(t, err)
	project, err := options.LoadProject(context.Background())
	require.NoError(t, err)
	return project
}

// gateways returns the services that run the gateway.
func gateways(t testing.TB, project *types.Project) (names []string) {
	t.Helper()
	for name := range project.Services {
		if strings.HasPrefix(name, "gateway-") {
			names = append(names, name)
		}
	}
	require.Len(t, names, 2)
	return names
}

func environmentOf(service types.ServiceConfig) map[string]string {
	environment := map[string]string{}
	for name, value := range service.Environment {
		if value != nil {
			environment[name] = *value
		}
	}
	return environment
}

func TestCompose_GatewayAcceptsEnvironment(t *testing.T) {
	t.Parallel()
	dir := prepare(t)
	project := load(t, dir)
	for _, name := range gateways(t, project) {
		service := project.Services[name]
		mounted := map[string]bool{}
		for _, secret := range service.Secrets {
			mounted["/run/secrets/"+secret.Source] = true
		}
		var environ []string
		for name, value := range environmentOf(service) {
			if strings.HasPrefix(value, "/run/secrets/") {
				require.True(t, mounted[value], "%s is not mounted", value)
				value = filepath.Join(dir, "run", filepath.Base(value))
			}
			if slices.Contains(secretSettings(t), name) { // only a URL without a password
				require.Equal(t, "FIELDGATE_REDIS_URL", name)
				require.NotRegexp(t, `://[^/@]*:[^/@]*@`, value)
			}
			environ = append(environ, name+"="+value)
		}
		requireSettings(t, "serve", environ)
	}
}

func TestCompose_AgentSettingsExist(t *testing.T) {
	t.Parallel()
	settings := read(t, "cmd/fieldgate-agent/settings/settings.go")
	for name := range load(t, composeDir).Services["agent"].Environment {
		require.Contains(t, settings, `env:"`+name+`"`)
	}
}

// TestCompose_MountsFilesThatExist requires that each file which a service mounts is in the repository, or
// written by prepare.sh.
func TestCompose_MountsFilesThatExist(t *testing.T) {
	t.Parallel()
	dir := prepare(t)
	project := load(t, dir)
	for name, service := range project.Services {
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeBind && filepath.Base(volume.Source) != "dashboards" {
				require.FileExists(t, volume.Source, name)
			}
		}
		if service.Build != nil {
			require.FileExists(t, filepath.Join(root, "deploy/image", filepath.Base(service.Build.Dockerfile)))
		}
	}
	for name, secret := range project.Secrets {
		info, err := os.Stat(secret.File)
		require.NoError(t, err, name)
		require.NotZero(t, info.Size(), name)
		require.NotZero(t, info.Mode()&0o004, "%s: the user in the container must read it", name)
	}
	info, err := os.Stat(filepath.Join(dir, "run"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

// TestCompose_ImagesAreReleased requires that the images of this project are those that a release builds.
func TestCompose_ImagesAreReleased(t *testing.T) {
	t.Parallel()
	workflow := read(t, ".github/workflows/release.yml")
	for name, service := range load(t, composeDir).Services {
		image, tag, found := strings.Cut(service.Image, ":")
		require.True(t, found && tag != "latest", name)
		if strings.Contains(image, "fieldgate") {
			require.Contains(t, workflow, image+":", name)
		}
	}
	require.Contains(t, workflow, strings.Split(render(t, "testdata/least.yaml").container(t).Image, ":")[0]+":")
}

// TestCompose_GracePeriodIsLongerThanShutdown requires that a gateway is not killed while it drains.
func TestCompose_GracePeriodIsLongerThanShutdown(t *testing.T) {
	t.Parallel()
	project := load(t, composeDir)
	for _, name := range gateways(t, project) {
		require.NotContains(t, environmentOf(project.Services[name]), "FIELDGATE_DRAIN_DELAY") // the defaults: 10 s and 30 s
		require.NotNil(t, project.Services[name].StopGracePeriod)
		require.Greater(t, time.Duration(*project.Services[name].StopGracePeriod), 40*time.Second)
	}
}

func TestCompose_HAProxyConfigurationIsValid(t *testing.T) {
	t.Parallel()
	requireProgram(t, "haproxy")
	dir := prepare(t)
	config := read(t, "deploy/compose/haproxy.cfg")
	here := strings.NewReplacer("/run/secrets/", filepath.Join(dir, "run")+"/", " gateway-1:", " 127.0.0.1:", " gateway-2:", " 127.0.0.1:")
	path := filepath.Join(dir, "haproxy.cfg")
	require.NoError(t, os.WriteFile(path, []byte(here.Replace(config)), 0o600))
	require.NotContains(t, run(t, "haproxy", "-c", "-f", path), "WARNING")
	for _, name := range gateways(t, load(t, dir)) {
		require.Equal(t, 2, strings.Count(config, "server "+name+" "+name+":8080\n"), "both backends need %s", name)
	}
}

func TestCompose_PrometheusScrapesGateways(t *testing.T) {
	t.Parallel()
	requireProgram(t, "promtool")
	dir := prepare(t)
	require.NoError(t, os.Rename(filepath.Join(dir, "run/alerts.yaml"), filepath.Join(dir, "alerts.yaml"))) // as they are mounted
	run(t, "promtool", "check", "config", filepath.Join(dir, "prometheus.yaml"))
	var config struct {
		ScrapeConfigs []struct {
			StaticConfigs []struct{ Targets []string } `json:"static_configs"`
		} `json:"scrape_configs"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "deploy/compose/prometheus.yaml")), &config))
	project := load(t, dir)
	var targets []string
	for _, name := range gateways(t, project) {
		targets = append(targets, name+environmentOf(project.Services[name])["FIELDGATE_METRICS_ADDR"])
	}
	require.ElementsMatch(t, targets, config.ScrapeConfigs[0].StaticConfigs[0].Targets)
}

// TestCompose_GrafanaFindsPrometheusAndDashboards requires that what Grafana provisions is where the
// Compose file puts it.
func TestCompose_GrafanaFindsPrometheusAndDashboards(t *testing.T) {
	t.Parallel()
	project := load(t, composeDir)
	var sources struct {
		Datasources []struct{ URL, UID string }
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "deploy/compose/grafana/datasources.yaml")), &sources))
	require.Equal(t, "http://prometheus:9090", sources.Datasources[0].URL)
	require.Contains(t, project.Services, "prometheus")
	var dashboards struct {
		Providers []struct {
			Options struct{ Path string }
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "deploy/compose/grafana/dashboards.yaml")), &dashboards))
	var targets []string
	for _, volume := range project.Services["grafana"].Volumes {
		targets = append(targets, volume.Target)
	}
	require.Contains(t, targets, dashboards.Providers[0].Options.Path)
}

// TestCompose_TrustsItsOwnNetworkOnly requires that the gateways trust the addresses of the network in which
// only HAProxy calls them, and that no port of a gateway is published.
func TestCompose_TrustsItsOwnNetworkOnly(t *testing.T) {
	t.Parallel()
	project := load(t, composeDir)
	_, inside, err := net.ParseCIDR(project.Networks["inside"].Ipam.Config[0].Subnet)
	require.NoError(t, err)
	for name, service := range project.Services {
		for _, port := range service.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, name)
			require.False(t, strings.HasPrefix(name, "gateway"), name)
		}
		if trusted, found := environmentOf(service)["FIELDGATE_TRUSTED_PROXIES"]; found {
			require.Equal(t, inside.String(), trusted)
			require.NotContains(t, service.Networks, "outside")
		}
	}
	require.NotContains(t, project.Services["agent"].Networks, "inside")
}

// requireProgram fails the test if a program is not installed.
func requireProgram(t testing.TB, name string) {
	t.Helper()
	_, err := exec.LookPath(name)
	require.NoError(t, err, "make %s installs it", name)
}
