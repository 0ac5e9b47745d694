package monitoring_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

const rulesPath = "../../deploy/prometheus/rules.yaml"

// prometheus is a running Prometheus.
type prometheus struct{ url string }

// startPrometheus starts a Prometheus that scrapes a gateway every second, with the rules of the
// repository. All times in the rules are shorter by the factor, so that a test need not take as long.
func startPrometheus(t testing.TB, metricsURL string, factor int) prometheus {
	t.Helper()
	dir, addr := t.TempDir(), storetest.FreeAddr(t)
	text, err := os.ReadFile(rulesPath)
	require.NoError(t, err)
	write(t, filepath.Join(dir, "rules.yaml"), shorten(t, string(text), factor))
	config := filepath.Join(dir, "prometheus.yaml")
	write(t, config, fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs:
  - job_name: fieldgate
    static_configs: [{targets: [%q]}]
`, strings.TrimPrefix(metricsURL, "http://")))
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	cmd := exec.Command("prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr, "--enable-feature=exemplar-storage", "--log.level=warn")
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start(), "make prometheus installs it")
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
	})
	p := prometheus{"http://" + addr}
	await(t, time.Minute, "Prometheus does not scrape the gateway", func() bool {
		return len(p.query(t, `fieldgate_build_info`)) > 0
	})
	return p
}

// await waits until a condition holds.
func await(t testing.TB, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, limit, 250*time.Millisecond, what)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// duration matches the durations in rules: of a range, of an offset and of `for`, and the seconds with
// which a rate is multiplied to get a number.
var duration = regexp.MustCompile(`(\[|offset |for: |:rate[0-9a-z]+ \* )(\d+)([smhd]?)`)

// shorten divides the durations in rules by a factor. The names of recording rules keep theirs.
func shorten(t testing.TB, rules string, factor int) string {
	t.Helper()
	units := map[string]int{"s": 1, "m": 60, "h": 3600, "d": 86400}
	return duration.ReplaceAllStringFunc(rules, func(match string) string {
		parts := duration.FindStringSubmatch(match)
		n, err := strconv.Atoi(parts[2])
		require.NoError(t, err)
		if parts[3] == "" {
			return fmt.Sprint(parts[1], n/factor)
		}
		return fmt.Sprintf("%s%ds", parts[1], max(n*units[parts[3]]/factor, 1))
	})
}

// get calls the API of Prometheus and decodes the data of its response. It returns false if Prometheus
// refuses the call.
func (p prometheus) get(t testing.TB, path string, query url.Values, data any) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path+"?"+query.Encode(), http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false // it starts
	}
	defer response.Body.Close()
	reply := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if response.StatusCode == http.StatusServiceUnavailable {
		return false // it starts
	}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&reply))
	require.Equal(t, "success", reply.Status, "%s: %s", query.Get("query"), reply.Error)
	return true
}

// series is one series of a result.
type series struct {
	Metric map[string]string
	Value  [2]any
}

// query returns the series of an expression.
func (p prometheus) query(t testing.TB, expr string) []series {
	t.Helper()
	var found struct{ Result []series }
	p.get(t, "/api/v1/query", url.Values{"query": {expr}}, &found)
	return found.Result
}

// firing returns the names of the alerts that fire, each once, sorted.
func (p prometheus) firing(t testing.TB) (names []string) {
	t.Helper()
	for _, alert := range p.query(t, `ALERTS{alertstate="firing"}`) {
		names = append(names, alert.Metric["alertname"])
	}
	slices.Sort(names)
	return slices.Compact(names)
}
