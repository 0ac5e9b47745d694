package program_test

import (
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/cmd/program"
)

// destination counts the writes of a log.
type destination struct {
	mu     sync.Mutex
	text   strings.Builder
	writes int
}

func (d *destination) Write(text []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes++
	return d.text.Write(text)
}

// lines returns the number of lines and of writes.
func (d *destination) lines() (lines, writes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Count(d.text.String(), "\n"), d.writes
}

// newLog returns a logger that writes to d at most a second late.
func newLog(d *destination) *slog.Logger {
	return slog.New(program.Buffered(d, time.Second, func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }))
}

func TestBuffered_WritesLinesTogetherAfterDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := new(destination)
		log := newLog(to).With("a", 1)
		for range 2 {
			log.Info("one")
			log.WithGroup("g").Info("two", "b", 2)
			_, before := to.lines()
			time.Sleep(time.Second - time.Nanosecond)
			_, writes := to.lines()
			require.Equal(t, before, writes)
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			_, writes = to.lines()
			require.Equal(t, before+1, writes)
		}
		lines, _ := to.lines()
		require.Equal(t, 4, lines)
		require.Contains(t, to.text.String(), "msg=two a=1 g.b=2")
	})
}

func TestBuffered_WritesWarningAtOnce(t *testing.T) {
	t.Parallel()
	to := new(destination)
	log := newLog(to)
	log.Info("one")
	log.Warn("two")
	lines, writes := to.lines()
	require.Equal(t, []int{2, 1}, []int{lines, writes})
}

func TestBuffered_IsBounded(t *testing.T) {
	t.Parallel()
	to := new(destination)
	log := newLog(to)
	for range 100 {
		log.Info(strings.Repeat("x", 1000))
	}
	lines, writes := to.lines()
	require.Greater(t, lines, 60)
	require.Less(t, writes, 5)
	program.FlushLog(log)
	lines, _ = to.lines()
	require.Equal(t, 100, lines)
}

func TestFlushLog_OfOtherHandlerDoesNothing(t *testing.T) {
	t.Parallel()
	program.FlushLog(slog.New(slog.DiscardHandler))
}
