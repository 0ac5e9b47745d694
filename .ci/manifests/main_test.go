// Package manifests tests the files with which the gateway is deployed: the Helm chart, the Compose project, the
// task definition of ECS and the Terraform example. It is a module of its own, so that the gateway does not
// depend on what reads these files. It contains only tests.
package manifests_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

// root is the root of the repository, and chartDir the chart.
const (
	root     = "../.."
	chartDir = root + "/deploy/helm/fieldgate"
)

// findHelm returns the path of helm, which it builds first.
var findHelm = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "tool", "-n", "helm").Output()
	return strings.TrimSpace(string(out)), err
})

// helm runs helm and returns what it prints.
func helm(arguments ...string) (string, error) {
	program, err := findHelm()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(program, arguments...).CombinedOutput()
	return string(out), err
}

// valueSets returns the files of values with which the chart is tested: those of the tests, and the
// examples.
func valueSets(t testing.TB) []string {
	t.Helper()
	sets, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	examples, err := filepath.Glob(root + "/deploy/helm/examples/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, sets)
	require.NotEmpty(t, examples)
	return append(sets, examples...)
}

// object is a manifest.
type object interface {
	metav1.Object
	runtime.Object
}

// release contains the manifests of a rendered chart.
type release struct{ objects []object }

// render renders the chart and decodes its manifests strictly.
func render(t testing.TB, values string, arguments ...string) release {
	t.Helper()
	out, err := helm(append([]string{"template", "gateway", chartDir, "--values", values}, arguments...)...)
	require.NoError(t, err, out)
	return release{objects: decode(t, out)}
}

// newScheme returns the types of Kubernetes and of the Prometheus Operator.
var newScheme = sync.OnceValues(func() (*runtime.Scheme, error) {
	types := runtime.NewScheme()
	return types, errors.Join(scheme.AddToScheme(types), monitoringv1.AddToScheme(types))
})

// decode decodes the documents of a file. A field that its type does not have is an error.
func decode(t testing.TB, text string) (objects []object) {
	t.Helper()
	types, err := newScheme()
	require.NoError(t, err)
	decoder := serializer.NewCodecFactory(types, serializer.EnableStrict).UniversalDeserializer()
	for document := range strings.SplitSeq("\n"+text, "\n---") {
		if len(bytes.TrimSpace(comment.ReplaceAll([]byte(document), nil))) == 0 {
			continue
		}
		decoded, _, err := decoder.Decode([]byte(document), nil, nil)
		require.NoError(t, err, document)
		objects = append(objects, decoded.(object))
	}
	require.NotEmpty(t, objects)
	return objects
}

// comment matches a line with a comment.
var comment = regexp.MustCompile(`(?m)^\s*#.*$`)

// of returns the manifests of a type.
func of[T object](c release) (found []T) {
	for _, o := range c.objects {
		if typed, ok := o.(T); ok {
			found = append(found, typed)
		}
	}
	return found
}

// only returns the one manifest of a type.
func only[T object](t testing.TB, c release) T {
	t.Helper()
	found := of[T](c)
	require.Len(t, found, 1)
	return found[0]
}

func (c release) deployment(t testing.TB) *appsv1.Deployment { return only[*appsv1.Deployment](t, c) }

// container returns the container of the gateway.
func (c release) container(t testing.TB) corev1.Container {
	t.Helper()
	containers := c.deployment(t).Spec.Template.Spec.Containers
	require.Len(t, containers, 1)
	return containers[0]
}

// environment returns the environment variables of the gateway.
func (c release) environment(t testing.TB) map[string]string {
	t.Helper()
	environment := map[string]string{}
	for _, variable := range c.container(t).Env {
		require.NotContains(t, environment, variable.Name)
		environment[variable.Name] = variable.Value
	}
	return environment
}

func isSubset(part, whole map[string]string) bool {
	for key, value := range part {
		if whole[key] != value {
			return false
		}
	}
	return true
}

// contractPaths returns the paths of the operations in openapi.yaml.
func contractPaths(t testing.TB) (paths []string) {
	t.Helper()
	for _, match := range regexp.MustCompile(`(?m)^  (/\S*):$`).FindAllStringSubmatch(read(t, "openapi.yaml"), -1) {
		paths = append(paths, match[1])
	}
	require.Greater(t, len(paths), 20)
	return paths
}

// secretSettings returns the settings of the gateway that contain a secret.
func secretSettings(t testing.TB) []string {
	t.Helper()
	_, list, found := strings.Cut(read(t, "cmd/fieldgate/secrets.go"), "var secretSettings = []string{")
	require.True(t, found)
	list, _, _ = strings.Cut(list, "}")
	names := regexp.MustCompile(`FIELDGATE_\w+`).FindAllString(list, -1)
	require.Greater(t, len(names), 3)
	return names
}

// read returns a file of the repository.
func read(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	return string(content)
}

// buildPrograms builds both programs and returns their directory.
var buildPrograms = sync.OnceValues(func() (string, error) {
	dir, err := filepath.Abs(filepath.Join(root, "bin/manifests"))
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir+"/", "./cmd/fieldgate", "./cmd/fieldgate-agent")
	cmd.Dir, cmd.Env = root, slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "GOWORK=") })
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return dir, nil
})

// requireSettings requires that a command of the gateway accepts an environment. It runs doctor in its
// place, whose findings about Redis are of no interest.
func requireSettings(t testing.TB, command string, environ []string) {
	t.Helper()
	require.Equal(t, "serve", command)
	programs, err := buildPrograms()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "fieldgate"), "doctor", "--json")
	cmd.Env = environ
	var out, refused bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &refused
	_ = cmd.Run() // it fails, because there is no Redis
	var report struct {
		Findings []struct{ Check, Level, Detail string }
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &report), refused.String())
	for _, finding := range report.Findings {
		if finding.Check == "settings" {
			require.Equal(t, "ok", finding.Level, finding.Detail)
			return
		}
	}
	require.Fail(t, "doctor did not check the settings", out.String())
}

// writeSecret writes a value into a file that a setting names, and returns its path.
func writeSecret(t testing.TB, path string) string {
	t.Helper()
	value := strings.Repeat("k", 40)
	if strings.HasSuffix(path, "_URL") {
		value = "redis://fieldgate:password@127.0.0.1:1"
	}
	require.NoError(t, os.WriteFile(path, []byte(value), 0o600))
	return path
}
