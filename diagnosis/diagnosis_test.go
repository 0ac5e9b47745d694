package diagnosis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/diagnosis"
)

func TestCertificate_WarnsBeforeItsEnd(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	now := time.Now()
	for _, c := range []struct {
		left, reserve time.Duration
		want          diagnosis.Level
	}{
		{0, diagnosis.ServerReserve, diagnosis.Failure},
		{time.Hour, diagnosis.ServerReserve, diagnosis.Warning},
		{13 * day, diagnosis.ServerReserve, diagnosis.Warning},
		{15 * day, diagnosis.ServerReserve, diagnosis.OK},
		{0, diagnosis.FileReserve, diagnosis.Failure},
		{29 * day, diagnosis.FileReserve, diagnosis.Warning},
		{31 * day, diagnosis.FileReserve, diagnosis.OK},
	} {
		require.Equal(t, c.want, diagnosis.Certificate("c", now.Add(c.left), now, c.reserve).Level, "%+v", c)
	}
}

func TestClock_ToleratesFiveSeconds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for difference, want := range map[time.Duration]diagnosis.Level{
		0: diagnosis.OK, 5 * time.Second: diagnosis.OK, -6 * time.Second: diagnosis.Warning, 31 * time.Second: diagnosis.Failure,
	} {
		require.Equal(t, want, diagnosis.Clock("c", now.Add(difference), now).Level, difference)
	}
}

func TestErrors_OneFindingEach(t *testing.T) {
	t.Parallel()
	require.Empty(t, diagnosis.Errors("settings", nil))
	found := diagnosis.Errors("settings", errors.Join(errors.New("one"), errors.New("two")))
	require.Equal(t, []diagnosis.Finding{diagnosis.Fail("settings", "one"), diagnosis.Fail("settings", "two")}, found)
	require.Equal(t, 2, diagnosis.Failed(append(found, diagnosis.Good("a", "b"), diagnosis.Warn("a", "b"))))
}
