package release_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// workflow is the part of a workflow of GitHub that the test reads.
type workflow struct {
	Jobs map[string]struct {
		Permissions map[string]string
		Steps       []struct{ Name, Uses, Run string }
	}
}

// TestWorkflow_CallsWhatExists requires that the workflow of a release calls only targets of the Makefile and
// Dockerfiles that exist, and that it may publish, sign and attest. The workflow itself runs only on GitHub.
func TestWorkflow_CallsWhatExists(t *testing.T) {
	t.Parallel()
	var release workflow
	require.NoError(t, yaml.Unmarshal([]byte(read(t, ".github/workflows/release.yml")), &release))
	job := release.Jobs["release"]
	require.Equal(t, map[string]string{"contents": "write", "packages": "write", "id-token": "write", "attestations": "write"}, job.Permissions)
	makefile, commands := read(t, "Makefile"), ""
	for _, step := range job.Steps {
		commands += step.Run + "\n"
	}
	for _, match := range regexp.MustCompile(`\bmake (?:--silent )?([a-z-]+)`).FindAllStringSubmatch(commands, -1) {
		require.Contains(t, makefile, "\n"+match[1]+":")
	}
	for _, name := range []string{"Dockerfile", "agent.Dockerfile"} {
		require.Contains(t, commands, " "+name+" ")
		require.FileExists(t, filepath.Join(root, "deploy/image", name))
	}
	require.Contains(t, commands, "linux/amd64,linux/arm64")
}

// TestRelease_SignsAndDescribesItsFiles requires what the guide tells users to verify.
func TestRelease_SignsAndDescribesItsFiles(t *testing.T) {
	t.Parallel()
	var config struct {
		Checksum struct {
			Name string `yaml:"name_template"`
		}
		Signs []struct {
			Cmd, Artifacts, Signature string
			Args                      []string
		}
		SBOMs []struct{ Documents []string } `yaml:"sboms"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, ".goreleaser.yaml")), &config))
	guide := read(t, "docs/guides/deploying.md")
	require.Len(t, config.Signs, 1)
	require.Equal(t, "checksum", config.Signs[0].Artifacts) // which lists all files
	bundle := strings.ReplaceAll(config.Signs[0].Signature, "${artifact}", config.Checksum.Name)
	require.Contains(t, guide, config.Signs[0].Cmd+" verify-blob --bundle "+bundle+" "+config.Checksum.Name)
	require.Contains(t, config.SBOMs[0].Documents[0], ".cdx.json")
	require.Contains(t, guide, ".cdx.json")
}

// TestRelease_AgentForMIPSHasSoftwareFloatingPoint requires what the processors of routers need. GoReleaser takes it
// from the target, whatever the environment says.
func TestRelease_AgentForMIPSHasSoftwareFloatingPoint(t *testing.T) {
	t.Parallel()
	var config struct {
		Builds []struct {
			ID     string
			GoArch []string `yaml:"goarch"`
			GoMIPS []string `yaml:"gomips"`
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, ".goreleaser.yaml")), &config))
	built := 0
	for _, build := range config.Builds {
		if slices.Contains(build.GoArch, "mipsle") {
			require.Equal(t, []string{"softfloat"}, build.GoMIPS, build.ID)
			built++
		}
	}
	require.Positive(t, built)
}

// read returns a file of the repository.
func read(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	return string(content)
}
