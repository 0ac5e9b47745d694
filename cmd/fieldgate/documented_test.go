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

// defaultsElsewhere are those that the flag leaves open: who reads it fills them in.
var defaultsElsewhere = map[string]string{
	"FIELDGATE_LOG_FORMAT": "`json`", "FIELDGATE_ENVIRONMENT": "`production`", "FIELDGATE_CODE_KEY": "kept in the store",
	"FIELDGATE_JWKS_URL": "from the project", "FIELDGATE_JWT_ISSUER": "from the project", "FIELDGATE_AUTH_HEALTH_URL": "from the project",
	"FIELDGATE_REDIS_AUTO_PIPELINE": "`true`",
}

func documentedSettings(t testing.TB) map[string]string {
	t.Helper()
	guide, err := os.ReadFile("../../docs/guides/operations.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(guide), "\n## Settings\n")
	require.True(t, found)
	rows := map[string]string{}
	for _, row := range settingRow.FindAllStringSubmatch(table, -1) {
		require.NotContains(t, rows, row[1], "twice in the table")
		rows[row[1]] = strings.TrimSpace(row[2])
	}
	return rows
}

func TestTheTableOfSettingsIsThatOfTheProgram(t *testing.T) {
	t.Parallel()
	rows := documentedSettings(t)
	help, _, code := once(t, nil, "serve", "--help")
	require.Zero(t, code)
	for _, flag := range strings.Split(help, "\n      --")[1:] {
		match := settingFlag.FindStringSubmatch(flag)
		if match == nil {
			continue // --version
		}
		name := match[2]
		want, open := defaultsElsewhere[name]
		if value := strings.Trim(match[1], `"`); !open && value != "" && value != "STRING" && !strings.HasSuffix(value, ",...") {
			want = "`" + value + "`"
		}
		require.Contains(t, rows, name, "the table in operations.md lacks it")
		require.Equal(t, want, rows[name], "the default of %s in operations.md", name)
		delete(rows, name)
	}
	require.Empty(t, rows, "operations.md has settings that the program does not know")
}

// What the comments of the Config name must be a setting, and every text too.
func TestEverySettingThatATextNamesIsThere(t *testing.T) {
	t.Parallel()
	others := []string{"FIELDGATE_DEV_ISSUER", "FIELDGATE_DEV_ISSUER_ADDR", "FIELDGATE_URL", "FIELDGATE_STATE", "FIELDGATE_SCRIPTS", "FIELDGATE_ACTIVATION_CODE"}
	rows := documentedSettings(t)
	for _, file := range []string{"../../gateway/config.go", "../../README.md", "../../docs/guides/operations.md", "../../docs/guides/console.md", "../../docs/guides/sessions-and-approvals.md"} {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, name := range settingName.FindAllString(string(content), -1) {
			require.True(t, contains(rows, name) || slices.Contains(others, name), "%s names %s", file, name)
		}
	}
}

func contains(rows map[string]string, name string) bool {
	_, found := rows[name]
	return found
}
