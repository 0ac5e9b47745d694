package program_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/cmd/program"
)

var names = []string{"FIELDGATE_REDIS_URL", "FIELDGATE_REDIS_URL_FILE", "FIELDGATE_DRAIN_DELAY", "FIELDGATE_URL"}

func TestEnvironment_NamesMisspeltSetting(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]string{
		"FIELDGATE_REDIS_ULR=x":      "FIELDGATE_REDIS_ULR is not a setting; did you mean FIELDGATE_REDIS_URL?",
		"FIELDGATE_REDISURL=x":       "FIELDGATE_REDISURL is not a setting; did you mean FIELDGATE_REDIS_URL?",
		"FIELDGATE_REDIS_URL_FLIE=x": "FIELDGATE_REDIS_URL_FLIE is not a setting; did you mean FIELDGATE_REDIS_URL_FILE?",
		"FIELDGATE_DRAIN=10s":        "FIELDGATE_DRAIN is not a setting: remove it, or correct its name",
		"FIELDGATE_ULR=x":            "FIELDGATE_ULR is not a setting; did you mean FIELDGATE_URL?",
		"FIELDGATE_=x":               "FIELDGATE_ is not a setting: remove it, or correct its name",
		"FIELDGATE_METRICS_PORT=80":  "FIELDGATE_METRICS_PORT is not a setting: remove it, or correct its name",
	} {
		require.EqualError(t, program.CheckEnvironment([]string{"PATH=/bin", "FIELDGATE_REDIS_URL=x", variable}, names), want)
	}
}

func TestEnvironment_AcceptsOthers(t *testing.T) {
	t.Parallel()
	require.NoError(t, program.CheckEnvironment([]string{
		"FIELDGATE_REDIS_URL=redis://host", "FIELDGATE_DRAIN_DELAY=", "REDIS_ULR=x", "MY_FIELDGATE_REDIS_ULR=x", "FIELDGATE_TEST_KILLS=5",
		"FIELDGATE_SERVICE_HOST=10.0.0.1", "FIELDGATE_SERVICE_PORT=8080", "FIELDGATE_SERVICE_PORT_HTTP=8080",
		"FIELDGATE_PORT=tcp://10.0.0.1:8080", "FIELDGATE_PORT_8080_TCP=tcp://10.0.0.1:8080",
		"FIELDGATE_PORT_8080_TCP_PROTO=tcp", "FIELDGATE_PORT_8080_TCP_PORT=8080", "FIELDGATE_PORT_8080_TCP_ADDR=10.0.0.1",
		"FIELDGATE_METRICS_SERVICE_HOST=10.0.0.2", "FIELDGATE_METRICS_PORT=tcp://10.0.0.2:9090",
	}, names))
}

func TestSpelling_AcceptsSettingsOfOtherPrograms(t *testing.T) {
	t.Parallel()
	require.NoError(t, program.CheckSpelling([]string{"FIELDGATE_RETENTION=1h", "FIELDGATE_ADDR=x", "FIELDGATE_URL=x"}, names))
	agent := []string{"FIELDGATE_URL", "FIELDGATE_STATE", "FIELDGATE_SCRIPTS"}
	require.NoError(t, program.CheckSpelling([]string{"STAGE=prod", "STATE=x", "URL=x", "SCRIPT=x"}, agent))
	require.Error(t, program.CheckSpelling([]string{"FIELDGATE_STAGE=prod"}, agent))
	require.ErrorContains(t, program.CheckSpelling([]string{"FIELDGATE_ULR=x"}, names), "did you mean FIELDGATE_URL?")
}
