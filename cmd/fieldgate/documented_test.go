package main_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	settingRow  = regexp.MustCompile("(?m)^\\| `(FIELDGATE_[A-Z_]+)` \\|([^|]*)\\|")
	settingFlag = regexp.MustCompile(`(?s)^(?:\[no-\])?[a-z-]+(?:=(\S+))?\s.*\(\$(FIELDGATE_[A-Z_]+)\)`)
	settingName = regexp.MustCompile(`FIELDGATE_[A-Z]+(?:_[A-Z]+)*`)
)

// derivedDefaults are the documented defaults that the help does not show. Such a setting
// is a switch, or its default depends on another setting or on the store.
var derivedDefaults = map[string]string{
	"FIELDGATE_CODE_KEY": "kept in the store", "FIELDGATE_RECORD_KEY": "kept in the store",
	"FIELDGATE_JWKS_URL": "from the project", "FIELDGATE_JWT_ISSUER": "from the project", "FIELDGATE_AUTH_HEALTH_URL": "from the project",
	"FIELDGATE_REDIS_AUTO_PIPELINE": "`true`", "FIELDGATE_REDIS_FUNCTIONS": "`true`",
}

func documentedSettings(t testing.TB) map[string]string {
	t.Helper()
	guide, err := os.ReadFile("../../docs/guides/operations.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(guide), "\n## Settings\n")
	require.True(t, found)
	rows := map[string]string{}
	for _, row := range settingRow.FindAllStringSubmatch(table, -1) {
		require.NotContains(t, rows, row[1], "the table has the setting twice")
		rows[row[1]] = strings.TrimSpace(row[2])
	}
	return rows
}

func TestSettings_TableMatchesProgram(t *testing.T) {
	t.Parallel()
	rows := documentedSettings(t)
	help, _, code := once(t, nil, "serve", "--help")
	require.Zero(t, code)
	for _, flag := range strings.Split(help, "\n      --")[1:] {
		match := settingFlag.FindStringSubmatch(flag)
		if match == nil {
			continue // the flag --version is not a setting
		}
		name := match[2]
		want, derived := derivedDefaults[name]
		value, list := strings.CutSuffix(strings.Trim(match[1], `"`), ",...")
		placeholder := value == "STRING" || list && value == strings.ToUpper(value)
		if !derived && value != "" && !placeholder {
			want = "`" + value + "`"
		}
		require.Contains(t, rows, name, "operations.md does not have the setting")
		require.Equal(t, want, rows[name], "the default of %s in operations.md", name)
		delete(rows, name)
	}
	require.Empty(t, rows, "operations.md has unknown settings")
}

// TestSettings_NamedInTextsExist checks the names of settings in gateway/config.go and in
// the guides.
func TestSettings_NamedInTextsExist(t *testing.T) {
	t.Parallel()
	others := []string{"FIELDGATE_DEV_ISSUER", "FIELDGATE_DEV_ISSUER_ADDR", "FIELDGATE_DEV_REDIS_URL", "FIELDGATE_URL", "FIELDGATE_STATE", "FIELDGATE_SCRIPTS", "FIELDGATE_ACTIVATION_CODE"}
	rows := documentedSettings(t)
	for _, file := range []string{"../../gateway/config.go", "../../README.md", "../../docs/guides/operations.md", "../../docs/guides/console.md", "../../docs/guides/sessions-and-approvals.md"} {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, name := range settingName.FindAllString(string(content), -1) {
			secret := strings.TrimSuffix(name, "_FILE")
			require.True(t, contains(rows, name) || contains(rows, secret) || slices.Contains(others, secret), "%s names %s, which the table of settings in operations.md does not have", file, name)
		}
	}
}

func contains(rows map[string]string, name string) bool {
	_, found := rows[name]
	return found
}
