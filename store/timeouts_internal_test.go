package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTimeout_DependsOnWhatMayFail checks that an outage of Redis is found in time, and that a
// slow process is not taken for one.
func TestTimeout_DependsOnWhatMayFail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg            Config
		timeout, reply time.Duration
	}{
		"a Redis":            {Config{URL: "redis://localhost"}, 1800 * time.Millisecond, 1500 * time.Millisecond},
		"the embedded store": {Config{}, 15 * time.Second, 14700 * time.Millisecond},
		"a patient caller":   {Config{URL: "redis://localhost", Timeout: time.Minute}, time.Minute, time.Minute - 300*time.Millisecond},
		"a short one":        {Config{Timeout: 200 * time.Millisecond}, 200 * time.Millisecond, 1500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(c.cfg)
			require.Equal(t, c.timeout, s.timeout)
			require.Equal(t, c.reply, s.dialer.replyTimeout)
		})
	}
}
