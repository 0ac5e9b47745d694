package manifests_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/stretchr/testify/require"
)

// taskDefinition is the part of a task definition of ECS that the tests read. The names are those of the API
// RegisterTaskDefinition.
type taskDefinition struct {
	Family                  string          `json:"family"`
	RequiresCompatibilities []string        `json:"requiresCompatibilities"`
	NetworkMode             string          `json:"networkMode"`
	CPU                     string          `json:"cpu"`
	Memory                  string          `json:"memory"`
	RuntimePlatform         json.RawMessage `json:"runtimePlatform"`
	ExecutionRoleArn        string          `json:"executionRoleArn"`
	ContainerDefinitions    []struct {
		Name                   string                             `json:"name"`
		Image                  string                             `json:"image"`
		Essential              bool                               `json:"essential"`
		Command                []string                           `json:"command"`
		User                   string                             `json:"user"`
		ReadonlyRootFilesystem bool                               `json:"readonlyRootFilesystem"`
		LinuxParameters        json.RawMessage                    `json:"linuxParameters"`
		PortMappings           []json.RawMessage                  `json:"portMappings"`
		Environment            []struct{ Name, Value string }     `json:"environment"`
		Secrets                []struct{ Name, ValueFrom string } `json:"secrets"`
		HealthCheck            struct {
			Command                                 []string
			Interval, Timeout, Retries, StartPeriod int
		} `json:"healthCheck"`
		StopTimeout      int               `json:"stopTimeout"`
		Ulimits          []json.RawMessage `json:"ulimits"`
		LogConfiguration json.RawMessage   `json:"logConfiguration"`
	} `json:"containerDefinitions"`
}

func readTask(t testing.TB) (task taskDefinition) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(read(t, "deploy/ecs/task-definition.json")))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&task))
	require.Len(t, task.ContainerDefinitions, 1)
	return task
}

// TestECS_GatewayAcceptsEnvironment runs the gateway's check of its settings with the environment of the task.
func TestECS_GatewayAcceptsEnvironment(t *testing.T) {
	t.Parallel()
	container := readTask(t).ContainerDefinitions[0]
	samples := map[string]string{
		"${supabase_url}": "https://abc.supabase.co", "${trusted_proxies}": "10.0.0.0/24,10.0.1.0/24",
		"${redis_url_secret_arn}": "rediss+cluster://fieldgate:password@127.0.0.1:1", "${record_key_secret_arn}": strings.Repeat("k", 64),
	}
	var environ []string
	for _, variable := range container.Environment {
		value := variable.Value
		if sample, found := samples[value]; found {
			value = sample
		}
		environ = append(environ, variable.Name+"="+value)
		require.NotContains(t, secretSettings(t), variable.Name)
	}
	for _, secret := range container.Secrets {
		require.Contains(t, samples, secret.ValueFrom)
		environ = append(environ, secret.Name+"="+samples[secret.ValueFrom])
	}
	requireSettings(t, container.Command[0], environ)
}

// TestECS_TaskIsThatOfTheImage compares the task with the image, and the time to stop with the shutdown.
func TestECS_TaskIsThatOfTheImage(t *testing.T) {
	t.Parallel()
	container, dockerfile := readTask(t).ContainerDefinitions[0], read(t, "deploy/image/Dockerfile")
	require.Contains(t, dockerfile, "\nUSER "+container.User+"\n")
	check, err := json.Marshal(container.HealthCheck.Command[1:])
	require.NoError(t, err)
	require.Contains(t, strings.ReplaceAll(dockerfile, `", "`, `","`), "CMD "+string(check))
	require.True(t, container.ReadonlyRootFilesystem)
	require.Greater(t, time.Duration(container.StopTimeout)*time.Second, 40*time.Second) // the default: 10 s and 30 s
	require.LessOrEqual(t, container.StopTimeout, 120)                                   // the maximum of Fargate
}

// terraformFiles returns the parsed files of the Terraform example.
func terraformFiles(t testing.TB) map[string]*hclsyntax.Body {
	t.Helper()
	paths, err := filepath.Glob(root + "/deploy/terraform/*.tf")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	files := map[string]*hclsyntax.Body{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		file, problems := hclsyntax.ParseConfig(content, path, hcl.InitialPos)
		require.False(t, problems.HasErrors(), problems.Error())
		require.True(t, bytes.Equal(hclwrite.Format(content), content), "%s is not formatted: terraform fmt", path)
		files[path] = file.Body.(*hclsyntax.Body)
	}
	return files
}

// TestTerraform_ReferencesExist requires that each variable, local value, resource and data source that an
// expression refers to is declared, and that each of them is used.
func TestTerraform_ReferencesExist(t *testing.T) {
	t.Parallel()
	declared, used := map[string]bool{}, map[string]bool{}
	for _, body := range terraformFiles(t) {
		for _, block := range body.Blocks {
			for _, name := range declaredBy(block) {
				declared[name] = true
			}
		}
		_ = hclsyntax.VisitAll(body, func(node hclsyntax.Node) hcl.Diagnostics {
			if expression, ok := node.(*hclsyntax.ScopeTraversalExpr); ok {
				if name := referred(expression.Traversal); name != "" {
					used[name] = true
				}
			}
			return nil
		})
	}
	for name := range used {
		require.True(t, declared[name], "%s is not declared", name)
	}
	for name := range declared {
		isInput := strings.HasPrefix(name, "var.") || strings.HasPrefix(name, "local.") || strings.HasPrefix(name, "data.")
		require.True(t, used[name] || !isInput, "%s is not used", name)
	}
}

// declaredBy returns the names by which expressions refer to what a block declares.
func declaredBy(block *hclsyntax.Block) (names []string) {
	switch block.Type {
	case "variable":
		return []string{"var." + block.Labels[0]}
	case "locals":
		for name := range block.Body.Attributes {
			names = append(names, "local."+name)
		}
		return names
	case "resource":
		return []string{strings.Join(block.Labels, ".")}
	case "data":
		return []string{"data." + strings.Join(block.Labels, ".")}
	}
	return nil
}

// referred returns the name of what an expression refers to. It returns "" for what the language itself
// declares, and for the variables of a loop.
func referred(traversal hcl.Traversal) string {
	parts := []string{traversal.RootName()}
	for _, step := range traversal[1:] {
		attribute, ok := step.(hcl.TraverseAttr)
		if !ok {
			break
		}
		parts = append(parts, attribute.Name)
	}
	count := 2
	switch first := parts[0]; {
	case first == "data":
		count = 3
	case first != "var" && first != "local" && !strings.Contains(first, "_"):
		return ""
	}
	return strings.Join(parts[:min(count, len(parts))], ".")
}

// TestTerraform_FillsTheTaskDefinition requires that the example passes each placeholder of the task
// definition, and no other.
func TestTerraform_FillsTheTaskDefinition(t *testing.T) {
	t.Parallel()
	var placeholders, passed []string
	for _, match := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(read(t, "deploy/ecs/task-definition.json"), -1) {
		placeholders = append(placeholders, match[1])
	}
	_, call, found := strings.Cut(read(t, "deploy/terraform/gateway.tf"), "task-definition.json\", {\n")
	require.True(t, found)
	call, _, _ = strings.Cut(call, "  }))")
	for _, match := range regexp.MustCompile(`(?m)^    (\w+) +=`).FindAllStringSubmatch(call, -1) {
		passed = append(passed, match[1])
	}
	slices.Sort(placeholders)
	require.ElementsMatch(t, slices.Compact(placeholders), passed)
}

// TestTerraform_BalancerIsThatOfTheGuide compares the load balancer with what the gateway assumes.
func TestTerraform_BalancerIsThatOfTheGuide(t *testing.T) {
	t.Parallel()
	balancer := read(t, "deploy/terraform/balancer.tf")
	path := regexp.MustCompile(`path += "(\S+)"`).FindStringSubmatch(balancer)
	require.Contains(t, contractPaths(t), path[1])
	idle := regexp.MustCompile(`idle_timeout += (\d+)`).FindStringSubmatch(balancer)
	require.Contains(t, read(t, "deploy/ecs/task-definition.json"), `"FIELDGATE_BALANCER_IDLE_TIMEOUT", "value": "`+idle[1]+`s"`)
	require.Contains(t, read(t, "deploy/terraform/redis.tf"), `"noeviction"`)
	require.Regexp(t, `(?m)^user fieldgate on #\S+ (.*)$`, read(t, "deploy/redis.acl"))
}
