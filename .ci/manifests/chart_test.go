package manifests_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

func TestChart_PassesLint(t *testing.T) {
	t.Parallel()
	for _, values := range valueSets(t) {
		out, err := helm("lint", "--strict", "--values", values, chartDir)
		require.NoError(t, err, "%s\n%s", values, out)
	}
}

// TestChart_ManifestsAreValid decodes each manifest into the type of its kind. A field that the
// type does not have is an error.
func TestChart_ManifestsAreValid(t *testing.T) {
	t.Parallel()
	for _, values := range valueSets(t) {
		names := map[string]bool{}
		for _, object := range render(t, values).objects {
			id := fmt.Sprintf("%T %s", object, object.GetName())
			require.False(t, names[id], "%s: two %s", values, id)
			names[id] = true
			require.Regexp(t, `^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`, object.GetName(), values)
		}
	}
	all := render(t, "testdata/everything.yaml")
	require.NotEmpty(t, only[*autoscalingv2.HorizontalPodAutoscaler](t, all).Spec.Metrics)
	require.NotEmpty(t, only[*networkingv1.Ingress](t, all).Spec.Rules)
	require.Len(t, of[*monitoringv1.ServiceMonitor](all), 1)
}

func TestChart_SelectorsAndPortsMatch(t *testing.T) {
	t.Parallel()
	for _, values := range valueSets(t) {
		c := render(t, values)
		pod := c.deployment(t).Spec.Template
		matches := func(selector map[string]string) {
			t.Helper()
			require.NotEmpty(t, selector)
			require.Subset(t, pod.Labels, selector, values)
		}
		matches(c.deployment(t).Spec.Selector.MatchLabels)
		ports := map[string]bool{}
		for _, port := range pod.Spec.Containers[0].Ports {
			ports[port.Name] = true
		}
		for _, service := range of[*corev1.Service](c) {
			matches(service.Spec.Selector)
			for _, port := range service.Spec.Ports {
				require.True(t, ports[port.TargetPort.StrVal], "%s: %s", values, service.Name)
			}
		}
		for _, policy := range of[*networkingv1.NetworkPolicy](c) {
			matches(policy.Spec.PodSelector.MatchLabels)
			for _, rule := range policy.Spec.Ingress {
				require.True(t, ports[rule.Ports[0].Port.StrVal], values)
			}
		}
		for _, budget := range of[*policyv1.PodDisruptionBudget](c) {
			matches(budget.Spec.Selector.MatchLabels)
		}
		for _, constraint := range pod.Spec.TopologySpreadConstraints {
			matches(constraint.LabelSelector.MatchLabels)
		}
		for _, pod := range of[*corev1.Pod](c) { // the Service must not send requests to the pod of the test
			require.NotSubset(t, pod.Labels, c.deployment(t).Spec.Selector.MatchLabels)
		}
	}
}

// TestChart_ServiceMonitorSelectsMetrics requires that a ServiceMonitor selects one Service, and a port
// that it has.
func TestChart_ServiceMonitorSelectsMetrics(t *testing.T) {
	t.Parallel()
	c := render(t, "testdata/everything.yaml")
	monitor := only[*monitoringv1.ServiceMonitor](t, c)
	var selected []string
	for _, service := range of[*corev1.Service](c) {
		if isSubset(monitor.Spec.Selector.MatchLabels, service.Labels) {
			selected = append(selected, service.Spec.Ports[0].Name)
		}
	}
	require.Equal(t, []string{monitor.Spec.Endpoints[0].Port}, selected)
}

// TestChart_AutoscalerScalesTheDeployment requires that the deployment then has no number of pods, which
// each upgrade would restore.
func TestChart_AutoscalerScalesTheDeployment(t *testing.T) {
	t.Parallel()
	c := render(t, "testdata/everything.yaml")
	scaler := only[*autoscalingv2.HorizontalPodAutoscaler](t, c)
	require.Equal(t, c.deployment(t).Name, scaler.Spec.ScaleTargetRef.Name)
	require.Equal(t, "fieldgate_sockets", scaler.Spec.Metrics[0].Pods.Metric.Name)
	require.Nil(t, c.deployment(t).Spec.Replicas)
	require.Empty(t, of[*autoscalingv2.HorizontalPodAutoscaler](render(t, "testdata/least.yaml")))
}

// TestChart_ProbesAreOperationsOfContract requires that the probes ask for paths that the gateway has,
// on the port that has connections of its own.
func TestChart_ProbesAreOperationsOfContract(t *testing.T) {
	t.Parallel()
	paths := contractPaths(t)
	for _, values := range valueSets(t) {
		container := render(t, values).container(t)
		for _, probe := range []*corev1.Probe{container.StartupProbe, container.ReadinessProbe, container.LivenessProbe} {
			require.NotNil(t, probe, values)
			require.Contains(t, paths, probe.HTTPGet.Path)
			require.Equal(t, "metrics", probe.HTTPGet.Port.StrVal)
		}
	}
}

// TestChart_PodsStayReadyWithoutRedis requires that a failure of Redis neither restarts a pod nor takes
// it out of the Service, because that would happen to all pods at the same time.
func TestChart_PodsStayReadyWithoutRedis(t *testing.T) {
	t.Parallel()
	container := render(t, "testdata/least.yaml").container(t)
	require.Equal(t, "/readyz", container.StartupProbe.HTTPGet.Path) // the first pod with a wrong setting stops an update
	require.Equal(t, "/healthz", container.ReadinessProbe.HTTPGet.Path)
	require.Equal(t, "/healthz", container.LivenessProbe.HTTPGet.Path)
	for _, values := range valueSets(t) {
		require.Equal(t, "/healthz", render(t, values).container(t).LivenessProbe.HTTPGet.Path, values)
	}
	closed := render(t, "testdata/least.yaml", "--set", "failOpen=false").container(t)
	require.Equal(t, "/readyz", closed.ReadinessProbe.HTTPGet.Path)
}

// TestChart_GracePeriodIsLongerThanShutdown compares the grace period with the longest time that the
// gateway takes to stop.
func TestChart_GracePeriodIsLongerThanShutdown(t *testing.T) {
	t.Parallel()
	for _, times := range []struct{ delay, window, timeout int }{{10, 20, 30}, {0, 0, 0}, {60, 300, 30}, {5, 10, 120}} {
		c := render(t, "testdata/least.yaml", "--set",
			fmt.Sprintf("shutdown.drainDelay=%d,shutdown.drainWindow=%d,shutdown.timeout=%d", times.delay, times.window, times.timeout))
		env := c.environment(t)
		require.Equal(t, fmt.Sprintf("%ds", times.delay), env["FIELDGATE_DRAIN_DELAY"])
		require.Equal(t, fmt.Sprintf("%ds", times.window), env["FIELDGATE_DRAIN_WINDOW"])
		require.Equal(t, fmt.Sprintf("%ds", times.timeout), env["FIELDGATE_SHUTDOWN_TIMEOUT"])
		longest := times.delay + max(times.window+5, times.timeout)
		require.Greater(t, int(*c.deployment(t).Spec.Template.Spec.TerminationGracePeriodSeconds), longest)
	}
}

func TestChart_PodsRunWithoutRights(t *testing.T) {
	t.Parallel()
	for _, values := range valueSets(t) {
		c := render(t, values)
		specs := []corev1.PodSpec{c.deployment(t).Spec.Template.Spec}
		for _, pod := range of[*corev1.Pod](c) {
			specs = append(specs, pod.Spec)
		}
		require.Len(t, specs, 2)
		for _, spec := range specs {
			require.True(t, *spec.SecurityContext.RunAsNonRoot)
			require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, spec.SecurityContext.SeccompProfile.Type)
			require.False(t, *spec.AutomountServiceAccountToken)
			require.False(t, *spec.EnableServiceLinks)
			container := spec.Containers[0].SecurityContext
			require.True(t, *container.ReadOnlyRootFilesystem)
			require.False(t, *container.AllowPrivilegeEscalation)
			require.Equal(t, []corev1.Capability{"ALL"}, container.Capabilities.Drop)
			require.Empty(t, container.Capabilities.Add)
		}
	}
}

// TestChart_UpdatesKeepPods requires that an update takes no pod away before a new one is ready, and
// that pods which are not ready do not keep a node from being drained.
func TestChart_UpdatesKeepPods(t *testing.T) {
	t.Parallel()
	c := render(t, "testdata/least.yaml")
	require.Equal(t, appsv1.RollingUpdateDeploymentStrategyType, c.deployment(t).Spec.Strategy.Type)
	require.Zero(t, c.deployment(t).Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue())
	budget := only[*policyv1.PodDisruptionBudget](t, c)
	require.Equal(t, 1, budget.Spec.MaxUnavailable.IntValue())
	require.Equal(t, policyv1.AlwaysAllow, *budget.Spec.UnhealthyPodEvictionPolicy)
}

// TestChart_SecretsAreReferences requires that no setting with a secret can be a plain text.
func TestChart_SecretsAreReferences(t *testing.T) {
	t.Parallel()
	for _, name := range secretSettings(t) {
		if name == "FIELDGATE_REDIS_URL" { // without a password, it is no secret
			continue
		}
		out, err := helm("template", "--values", "testdata/least.yaml", "--set-string", "settings."+name+"=plain", chartDir)
		require.Error(t, err, "%s", name)
		require.Contains(t, out, name)
	}
	c := render(t, "testdata/everything.yaml")
	mounted := map[string]bool{}
	for _, source := range c.deployment(t).Spec.Template.Spec.Volumes[0].Projected.Sources {
		mounted[source.Secret.Items[0].Path] = true
	}
	files := 0
	for name, value := range c.environment(t) {
		if path, ok := strings.CutPrefix(value, c.container(t).VolumeMounts[0].MountPath+"/"); ok {
			require.True(t, mounted[path], name)
			require.True(t, strings.HasSuffix(name, "_FILE"), name)
			files++
		}
	}
	require.Len(t, mounted, files)
}

func TestChart_RefusesMistakes(t *testing.T) {
	t.Parallel()
	for set, reason := range map[string]string{
		"settings.FIELDGATE_REDIS_URL=rediss://fieldgate:x@redis:6379":         "FIELDGATE_REDIS_URL has a password",
		"settings.FIELDGATE_DRAIN_DELAY=5s":                                    "The chart sets FIELDGATE_DRAIN_DELAY itself",
		"settings.FIELDGATE_ADDR=:80":                                          "The chart sets FIELDGATE_ADDR itself",
		"settings.FIELDGATE_DEV_REDIS_URL=redis://redis":                       "is a setting of fieldgate dev",
		"settings.FIELDGATE_REDIS_URL=":                                        "The gateway needs Redis",
		"settings.OTHER=x":                                                     "OTHER",
		"replica=3":                                                            "replica",
		"ingress.enabled=true":                                                 "An ingress needs a host",
		"secrets.FIELDGATE_REDIS_URL.name=a,secrets.FIELDGATE_REDIS_URL.key=b": "FIELDGATE_REDIS_URL is in settings and in secrets",
	} {
		flag := "--set-string"
		if strings.HasSuffix(set, "=true") {
			flag = "--set"
		}
		out, err := helm("template", "--values", "testdata/least.yaml", flag, set, chartDir)
		require.Error(t, err, set)
		require.Contains(t, out, reason)
	}
}

// TestChart_GatewayAcceptsEnvironment starts the gateway's own check of its settings with the
// environment of the container. A name that is no setting stops the program.
func TestChart_GatewayAcceptsEnvironment(t *testing.T) {
	t.Parallel()
	for _, values := range valueSets(t) {
		c := render(t, values)
		dir := t.TempDir()
		var environ []string
		for name, value := range c.environment(t) {
			if path, ok := strings.CutPrefix(value, "/etc/fieldgate/secrets/"); ok {
				value = writeSecret(t, filepath.Join(dir, path))
			}
			environ = append(environ, name+"="+value)
		}
		requireSettings(t, c.container(t).Args[0], environ)
	}
}

// TestChart_GuideShowsTestedValues requires that the values in the guide are those of an example.
func TestChart_GuideShowsTestedValues(t *testing.T) {
	t.Parallel()
	_, shown, found := strings.Cut(read(t, "docs/guides/deploying.md"), "<!-- values: deploy/helm/examples/cluster.yaml -->\n```text\n")
	require.True(t, found)
	shown, _, _ = strings.Cut(shown, "```\n")
	require.Equal(t, read(t, "deploy/helm/examples/cluster.yaml"), shown)
}
