package queue_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// report reports the progress of a command with the token of l.
func (f *fixture) report(l queue.Lease, r queue.Report) queue.Reported {
	f.t.Helper()
	reported, err := f.queue.ReportProgress(f.t.Context(), f.ref(l), r)
	require.NoError(f.t, err)
	return reported
}

// output reads the output of a command from a position on.
func (f *fixture) output(l queue.Lease, since int) queue.Output {
	f.t.Helper()
	o, err := f.queue.Output(f.t.Context(), f.device.Tenant, f.session.ID, l.ID, since)
	require.NoError(f.t, err)
	return o
}

// storedBytes returns what the tenant of the device counts towards its quota.
func (f *fixture) storedBytes() int64 {
	f.t.Helper()
	var used store.Reply
	f.do(func(ctx context.Context, c store.Client) (err error) {
		used, err = c.HMGet(ctx, store.Tenant(f.device.Tenant).UsageKey(), "storedBytes:added", "storedBytes:freed").Result()
		return err
	})
	return used.Int(0) - used.Int(1)
}

func value[T any](v T) *T { return &v }

func TestProgress_IsReadWhileTheCommandRuns(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne()
		require.Zero(t, f.output(lease, 0), "nothing is reported yet")

		reported := f.report(lease, queue.Report{Seq: 1, Percent: value(12.5), Message: value("ürst"), Output: "première\n"})
		require.Equal(t, 1, reported.Seq)
		require.False(t, reported.CancelRequested)
		require.Greater(t, reported.Remaining, longLease/2)
		first := f.output(lease, 0)
		require.Equal(t, "première\n", first.Text)
		require.InDelta(t, 12.5, *first.Percent, 0)
		require.Equal(t, "ürst", first.Message)
		require.WithinDuration(t, f.now(), first.ReportedAt, time.Minute)

		f.report(lease, queue.Report{Seq: 2, Output: "second\n"})
		second := f.output(lease, first.Next)
		require.Equal(t, "second\n", second.Text)
		require.Equal(t, first.Next, second.From)
		require.InDelta(t, 12.5, *second.Percent, 0, "a field that is absent keeps its value")
		require.Equal(t, "ürst", second.Message)
		require.Zero(t, second.Missed)
		require.Empty(t, f.output(lease, second.Next).Text)
		require.Equal(t, second.Next, f.output(lease, second.Next+1000).Next, "a position that does not exist yet")
	})
}

func TestProgress_ZeroPercentAndEmptyMessageAreKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	f.propose(auto)
	lease := f.claimOne()
	f.report(lease, queue.Report{Seq: 1, Percent: value(50.0), Message: value("half")})
	f.report(lease, queue.Report{Seq: 2, Percent: value(0.0), Message: value("")})
	o := f.output(lease, 0)
	require.Zero(t, *o.Percent)
	require.Empty(t, o.Message)
}

func TestProgress_RepeatedReportChangesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne()
		f.report(lease, queue.Report{Seq: 1, Output: "one\n"})
		f.report(lease, queue.Report{Seq: 2, Output: "two\n"})
		for _, seq := range []int{1, 2} {
			require.Equal(t, 2, f.report(lease, queue.Report{Seq: seq, Output: "again\n"}).Seq)
		}
		require.Equal(t, "one\ntwo\n", f.output(lease, 0).Text)
	})
}

func TestProgress_SkippedReportsAreCounted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		seqs   []int
		missed int
	}{
		"from zero": {[]int{0, 1, 2}, 0}, "from one": {[]int{1, 2, 3}, 0},
		"the first is missing": {[]int{2, 3}, 1}, "between": {[]int{1, 4, 5, 7}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, storetest.Redis(t))
			f.propose(auto)
			lease := f.claimOne()
			for _, seq := range c.seqs {
				f.report(lease, queue.Report{Seq: seq, Output: "x"})
			}
			require.Equal(t, c.missed, f.output(lease, 0).Missed)
		})
	}
}

func TestProgress_ChangesNoStateAndRecordsNoEvent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(auto)
		lease := f.claimOne()
		before, events := f.state(c.ID), f.eventTypes(c.ID)
		f.report(lease, queue.Report{Seq: 1, Percent: value(1.0), Output: "working\n"})
		after := f.state(c.ID)
		require.NotEqual(t, before["bytes"], after["bytes"])
		delete(before, "bytes")
		delete(after, "bytes")
		require.Equal(t, before, after)
		require.Equal(t, events, f.eventTypes(c.ID))
		f.do(func(ctx context.Context, client store.Client) error {
			n, err := client.XLen(ctx, store.Tenant(f.device.Tenant).StreamKey()).Result()
			require.EqualValues(t, 3, n, "the session, the proposal and the claim")
			return err
		})
	})
}

func TestProgress_EndedCommandIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne()
		f.report(lease, queue.Report{Seq: 1, Output: "working\n"})
		f.submitResult(lease, queue.Succeeded)
		_, err := f.queue.ReportProgress(t.Context(), f.ref(lease), queue.Report{Seq: 2, Output: "more\n"})
		requireRefusal(t, err, fieldgate.CodeCommandFinished)
		o := f.output(lease, 0)
		require.True(t, o.Complete)
		require.Equal(t, "working\n", o.Text, "the output stays after the end")
	})
}

func TestProgress_ReportsThatCancellationWasRequested(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	c := f.propose(auto)
	lease := f.claimOne()
	f.report(lease, queue.Report{Seq: 1})
	f.cancel(c)
	require.True(t, f.report(lease, queue.Report{Seq: 1}).CancelRequested, "also in the response to a repeated report")
	require.True(t, f.report(lease, queue.Report{Seq: 2}).CancelRequested)
}

// TestProgress_LastOutputIsKept reports more output than is kept, with characters that lie across the
// borders of blocks.
func TestProgress_LastOutputIsKept(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne()
		used := f.storedBytes()
		var all strings.Builder
		for seq := 1; all.Len() < 700<<10; seq++ {
			part := strings.Repeat("€", 7000+seq) + "\n"
			all.WriteString(part)
			f.report(lease, queue.Report{Seq: seq, Output: part})
		}
		o := f.output(lease, 0)
		require.Equal(t, all.Len(), o.Next)
		require.Positive(t, o.From)
		require.InDelta(t, 256<<10, len(o.Text), 3)
		require.LessOrEqual(t, len(o.Text), 256<<10)
		require.Equal(t, all.String()[o.From:], o.Text)
		require.InDelta(t, 264<<10, f.storedBytes()-used, 8<<10, "what is kept counts")
		require.LessOrEqual(t, len(f.fields(lease.ID)), 20)
	})
}

// fields returns the names of the fields of a command in the hash of commands.
func (f *fixture) fields(id string) (names []string) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		all, err := c.HKeys(ctx, f.device.CommandsKey()).Result()
		for _, name := range all {
			if strings.HasPrefix(name, id) {
				names = append(names, name)
			}
		}
		return err
	})
	return names
}

func TestProgress_NewClaimStartsAnew(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		old := f.claimOne()
		f.report(old, queue.Report{Seq: 7, Percent: value(80.0), Message: value("late"), Output: strings.Repeat("old", 10_000)})
		before := f.output(old, 0)
		f.expireLease(old)
		f.settleUntil(old.ID, queue.Queued)
		require.Equal(t, before.Text, f.output(old, 0).Text, "until the next claim reports")
		used := f.storedBytes()

		newest := f.claimOne()
		f.report(newest, queue.Report{Seq: 1, Output: "new\n"})
		o := f.output(newest, before.Next)
		require.Equal(t, "new\n", o.Text)
		require.Greater(t, o.From, before.Next, "a reader sees that the output does not continue")
		require.Nil(t, o.Percent)
		require.Empty(t, o.Message)
		require.Zero(t, o.Missed)
		require.Equal(t, 1, o.Seq)
		require.Equal(t, used-int64(len(before.Text))+int64(len("new\n")), f.storedBytes())
	})
}

func TestProgress_IsDeletedWithTheCommand(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, func(c *queue.Config) { c.Retention = 50 * time.Millisecond })
		before := f.storedBytes()
		c := f.propose(auto)
		lease := f.claimOne()
		f.report(lease, queue.Report{Seq: 1, Output: strings.Repeat("x", 40_000)})
		require.Greater(t, f.storedBytes(), before+40_000)
		f.submitResult(lease, queue.Succeeded)
		eventually(t, "the command was not deleted", func() bool {
			f.sweep()
			return len(f.fields(c.ID)) == 0
		})
		require.Equal(t, before, f.storedBytes())
		_, err := f.queue.Output(t.Context(), f.device.Tenant, f.session.ID, c.ID, 0)
		require.Error(t, err)
	})
}

func TestProgress_OutputCountsTowardsTheQuota(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, func(c *queue.Config) { c.Limits = quota.Amounts{StoredBytes: 10_000} })
		f.propose(auto)
		lease := f.claimOne()
		_, err := f.queue.ReportProgress(t.Context(), f.ref(lease), queue.Report{Seq: 1, Output: strings.Repeat("x", 10_000)})
		requireRefusal(t, err, fieldgate.CodeQuotaExceeded)
		require.Zero(t, f.output(lease, 0), "a report that is refused leaves nothing")
		f.report(lease, queue.Report{Seq: 1, Percent: value(3.0)})
		require.InDelta(t, 3, *f.output(lease, 0).Percent, 0)
	})
}

// TestProgress_CountsWhatItTakes compares the memory that Redis uses for commands with what they count. The
// message is one that takes six bytes for each character.
func TestProgress_CountsWhatItTakes(t *testing.T) {
	t.Parallel()
	const commands, parts = 40, 20
	for name, r := range map[string]queue.Report{
		"message": {Percent: value(12.345678), Message: value(strings.Repeat("\x01", 256))},
		"output":  {Output: strings.Repeat("x", 15<<10)},
	} {
		f := newFixture(t, isolatedRedis(t))
		counted := f.storedBytes()
		for range commands {
			f.propose(auto)
			lease := f.claimOne()
			for seq := range parts {
				r.Seq = seq + 1
				f.report(lease, r)
			}
			f.submitResult(lease, queue.Succeeded)
		}
		var used int64
		f.do(func(ctx context.Context, c store.Client) (err error) {
			used, err = c.MemoryUsage(ctx, f.device.CommandsKey(), 0).Result()
			return err
		})
		require.Less(t, float64(used), 1.02*float64(f.storedBytes()-counted), name)
	}
}

func TestOutput_OtherTenantFindsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	f.propose(auto)
	lease := f.claimOne()
	f.report(lease, queue.Report{Seq: 1, Output: "secret\n"})
	_, err := f.queue.Output(t.Context(), storetest.Tenant(), f.session.ID, lease.ID, 0)
	requireRefusal(t, err, fieldgate.CodeSessionNotFound)

	f.closeSession()
	other := f.open(f.device, sessionLength)
	_, err = f.queue.Output(t.Context(), f.device.Tenant, other.ID, lease.ID, 0)
	requireRefusal(t, err, fieldgate.CodeCommandNotFound)
}

func TestOutput_DamagedReportCountsAsNone(t *testing.T) {
	t.Parallel()
	for _, damage := range []string{"", "no JSON", "7", `{"seq":"one"}`} {
		f := newFixture(t, storetest.Redis(t))
		f.propose(auto)
		lease := f.claimOne()
		f.report(lease, queue.Report{Seq: 1, Output: "lost\n"})
		f.overwriteField(lease.ID+":progress", damage)
		require.Empty(t, f.output(lease, 0).Text)
		f.report(lease, queue.Report{Seq: 1, Output: "found\n"})
		require.Equal(t, "found\n", f.output(lease, 0).Text, damage)
	}
}

// TestOutput_MissingLastBlockIsNotTakenForContinuous reads output whose last block is gone. A reader
// must not append what follows to what it has read before.
func TestOutput_MissingLastBlockIsNotTakenForContinuous(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	f.propose(auto)
	lease := f.claimOne()
	f.report(lease, queue.Report{Seq: 1, Output: "lost\n"})
	f.do(func(ctx context.Context, c store.Client) error {
		return c.HDel(ctx, f.device.CommandsKey(), lease.ID+":output:0").Err()
	})
	read := f.output(lease, 0)
	require.Empty(t, read.Text)
	require.Equal(t, read.Next, read.From)
}
