package monitoring_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// dashboard is the part of a dashboard of Grafana that the tests read.
type dashboard struct {
	UID           string
	Title         string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct{ Name, Type string }
	}
}

type panel struct {
	ID          int
	Title       string
	Description string
	Type        string
	GridPos     struct{ X, Y, W, H int }
	Datasource  struct{ Type, UID string }
	Targets     []struct{ Expr, RefID string }
}

// dashboards returns the dashboards of the repository by the name of their file.
func dashboards(t testing.TB) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob("../../deploy/dashboards/*.json")
	require.NoError(t, err)
	require.Len(t, files, 5)
	found := map[string]dashboard{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var d dashboard
		require.NoError(t, json.Unmarshal(text, &d), path)
		found[filepath.Base(path)] = d
	}
	return found
}

// TestDashboards_AreWhole requires what Grafana needs to show a dashboard: ids that are unique, a source
// that exists, and panels that do not overlap.
func TestDashboards_AreWhole(t *testing.T) {
	t.Parallel()
	uids := map[string]bool{}
	for name, d := range dashboards(t) {
		require.False(t, d.UID == "" || uids[d.UID], "%s has no uid of its own", name)
		uids[d.UID] = true
		require.GreaterOrEqual(t, d.SchemaVersion, 41, name)
		require.Equal(t, "datasource", d.Templating.List[0].Name, name)
		cells := map[[2]int]string{}
		for i, p := range d.Panels {
			require.Equal(t, i+1, p.ID, p.Title)
			require.NotEmpty(t, p.Description, p.Title)
			require.Equal(t, "${datasource}", p.Datasource.UID, p.Title)
			require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
			for x := range p.GridPos.W {
				for y := range p.GridPos.H {
					cell := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
					require.Empty(t, cells[cell], "%s is over another panel", p.Title)
					cells[cell] = p.Title
				}
			}
		}
	}
}

// TestDashboards_ShowEachMetric requires that an operator finds every metric of the guide on a dashboard
// or in an alert.
func TestDashboards_ShowEachMetric(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/guides/operations.md")
	require.NoError(t, err)
	rules, err := os.ReadFile(rulesPath)
	require.NoError(t, err)
	shown := string(rules)
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				shown += target.Expr + "\n"
			}
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `(fieldgate_[a-z_]+)` \\|").FindAllStringSubmatch(string(guide), -1) {
		if !onNoDashboard[row[1]] {
			require.Contains(t, shown, row[1])
		}
	}
}

// onNoDashboard are the metrics that an operator reads with a purpose only.
var onNoDashboard = map[string]bool{
	"fieldgate_previous_secret_tokens_total": true, // in a rotation of the secret
	"fieldgate_queue_age_seconds":            true, // for the sizing
}

// emptyOnHealthySite are the panels whose queries may have no result while nothing is wrong.
var emptyOnHealthySite = map[string]bool{"Alerts": true, "Closed sockets": true}

// TestDashboards_QueriesReturnData runs every query of every panel against a Prometheus that scrapes a
// gateway under a small load.
func TestDashboards_QueriesReturnData(t *testing.T) {
	requireSetting(t)
	s := newSite(t, 10)
	s.proposeForNoDevice(t)
	pending, err := s.user.Approvals(t.Context(), client.ListApprovalsParams{})
	require.NoError(t, err)
	require.NotEmpty(t, pending.Items)
	first := pending.Items[0]
	_, err = s.User(s.tenantID, "bob", "approver").Decide(t.Context(), first.SessionID, client.DecisionRequest{
		CommandID: first.ID, Approved: false, Digest: first.Digest, Reason: "looked at it",
	})
	require.NoError(t, err)
	for name, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				expr := strings.ReplaceAll(target.Expr, "$__rate_interval", "30s")
				await(t, 30*time.Second, name+": "+p.Title+": no data for "+expr, func() bool {
					return len(s.query(t, expr)) > 0 || emptyOnHealthySite[p.Title]
				})
			}
		}
	}
}

// proposeForNoDevice proposes a command for a device that never claims.
func (s *site) proposeForNoDevice(t *testing.T) {
	t.Helper()
	device := s.NewDevice(t, s.user)
	opened, err := s.user.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: device.ID, Type: "remediation"})
	require.NoError(t, err)
	_, err = s.user.Propose(t.Context(), opened.ID, client.ProposeCommandRequest{Type: "diagnostic.dns", Parameters: json.RawMessage(`{"host":"example.com"}`)})
	require.NoError(t, err)
}
