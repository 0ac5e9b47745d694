package queue_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
)

// search reads all pages. It returns the ids of the commands and the number of pages.
func (f *fixture) search(filter queue.Filter, limit int) (ids []string, pages int) {
	f.t.Helper()
	for page := (store.Page{Limit: limit}); ; {
		list, next, err := f.queue.Search(f.t.Context(), f.device.Tenant, filter, page)
		require.NoError(f.t, err)
		require.LessOrEqual(f.t, len(list), limit)
		for _, c := range list {
			ids = append(ids, c.ID)
		}
		if pages++; next == "" {
			return ids, pages
		}
		page.Cursor = next
	}
}

// tag adds a device to the index of a tag.
func (f *fixture) tag(d store.Device, tag string) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		return c.ZAdd(ctx, store.Tenant(d.Tenant).DevicesByKey("tag", tag), redis.Z{Member: d.ID}).Err()
	})
}

func TestSearch_Filters(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		other := f.withDevice(f.newDevice(f.device.Tenant))
		f.tag(other.device, "site:leipzig")
		done := f.propose(auto)
		f.submitResult(f.claimOne(), queue.Succeeded)
		waiting := f.propose(review)
		failed := other.propose("diagnostic.ping", func(p *queue.Proposal) { p.UserID = approver })
		other.submitResult(other.claimOne(), queue.Failed)
		between := f.now().Add(time.Millisecond)
		f.waitUntilAfter(between)
		last := other.propose(auto)

		for name, c := range map[string]struct {
			filter queue.Filter
			want   []queue.Command
		}{
			"all":                  {queue.Filter{}, []queue.Command{last, failed, waiting, done}},
			"of a status":          {queue.Filter{Statuses: []queue.Status{queue.Failed}}, []queue.Command{failed}},
			"of several statuses":  {queue.Filter{Statuses: []queue.Status{queue.Failed, queue.PendingApproval}}, []queue.Command{failed, waiting}},
			"of a type":            {queue.Filter{Type: auto}, []queue.Command{last, done}},
			"of a pattern":         {queue.Filter{Type: "diagnostic.*"}, []queue.Command{last, failed, done}},
			"of a prefix":          {queue.Filter{Type: "diagnostic"}, nil},
			"of a device":          {queue.Filter{DeviceID: other.device.ID}, []queue.Command{last, failed}},
			"of a tag":             {queue.Filter{Tag: "site:leipzig"}, []queue.Command{last, failed}},
			"of a missing tag":     {queue.Filter{Tag: "site"}, nil},
			"of a session":         {queue.Filter{SessionID: f.session.ID}, []queue.Command{waiting, done}},
			"of another's session": {queue.Filter{SessionID: f.session.ID, DeviceID: other.device.ID}, nil},
			"of a user":            {queue.Filter{ProposedBy: approver}, []queue.Command{failed}},
			"since a time":         {queue.Filter{Since: last.CreatedAt}, []queue.Command{last}},
			"until a time":         {queue.Filter{Until: last.CreatedAt}, []queue.Command{failed, waiting, done}},
			"of a device and time": {queue.Filter{DeviceID: other.device.ID, Until: last.CreatedAt}, []queue.Command{failed}},
			"of all filters": {
				queue.Filter{
					Statuses: []queue.Status{queue.Failed}, Type: "diagnostic.ping", DeviceID: other.device.ID, Tag: "site:leipzig", SessionID: other.session.ID,
					ProposedBy: approver, Since: failed.CreatedAt, Until: last.CreatedAt,
				},
				[]queue.Command{failed},
			},
		} {
			var want []string
			for _, command := range c.want {
				want = append(want, command.ID)
			}
			for _, limit := range []int{1, 2, 200} {
				found, _ := f.search(c.filter, limit)
				require.Equal(t, want, found, "%s in pages of %d", name, limit)
			}
		}
	})
}

// TestSearch_CommandsOfOneMillisecond sets the same time for all commands, as a restored or an
// imported store may have them.
func TestSearch_CommandsOfOneMillisecond(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		var want []string
		for range 7 {
			want = append(want, f.propose(auto).ID)
		}
		f.do(func(ctx context.Context, c store.Client) error {
			for _, id := range want {
				if err := c.ZAdd(ctx, store.Tenant(f.device.Tenant).CommandsKey(), redis.Z{Score: 1000, Member: f.device.ListedMember(id)}).Err(); err != nil {
					return err
				}
			}
			return nil
		})
		slices.Sort(want)
		slices.Reverse(want)
		for limit := 1; limit < 9; limit++ {
			found, _ := f.search(queue.Filter{}, limit)
			require.Equal(t, want, found, "pages of %d", limit)
		}
	})
}

// TestSearch_ExaminesBoundedNumber searches for a status that only the oldest command has. One call
// examines too few commands to find it, and returns an empty page with a cursor.
func TestSearch_ExaminesBoundedNumber(t *testing.T) {
	t.Parallel()
	f := newFixture(t, isolatedRedis(t))
	rare := f.cancel(f.propose(auto))
	state := f.propose(auto)
	f.copyCommand(state, 2500)
	filter := queue.Filter{Statuses: []queue.Status{queue.Cancelled}}
	first, next, err := f.queue.Search(t.Context(), f.device.Tenant, filter, store.Page{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, first)
	require.NotEmpty(t, next)
	found, pages := f.search(filter, 10)
	require.Equal(t, []string{rare.ID}, found)
	require.Equal(t, 3, pages)
}

// copyCommand writes n copies of the record of a command, with later times.
func (f *fixture) copyCommand(c queue.Command, n int) {
	f.t.Helper()
	f.do(func(ctx context.Context, client store.Client) error {
		fields, err := client.HMGet(ctx, f.device.CommandsKey(), c.ID, c.ID+":body").Result()
		if err != nil {
			return err
		}
		pipe := client.Pipeline()
		for i := range n {
			id := fmt.Sprintf("cmd_%s%026d", store.PartitionOf(f.device.Tenant), i)
			pipe.HSet(ctx, f.device.CommandsKey(), id, fields[0], id+":body", fields[1])
			pipe.ZAdd(ctx, store.Tenant(f.device.Tenant).CommandsKey(), redis.Z{
				Score: float64(c.CreatedAt.UnixMilli() + int64(i)), Member: f.device.ListedMember(id),
			})
		}
		_, err = pipe.Exec(ctx)
		return err
	})
}

func TestTenancy_SearchOmitsOtherTenantsCommands(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		tenant := tenantInPartitionOf(f.device.Tenant)
		for _, filter := range []queue.Filter{{}, {DeviceID: f.device.ID}, {SessionID: f.session.ID}} {
			found, next, err := f.queue.Search(t.Context(), tenant, filter, store.Page{Limit: 10})
			require.NoError(t, err)
			require.Empty(t, found)
			require.Empty(t, next)
		}
	})
}

func TestSearch_InvalidCursorIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, isolatedRedis(t))
	for _, cursor := range []string{"!", "YQ==", store.CursorAfter("x y"), store.CursorAfter("1000")} {
		_, _, err := f.queue.Search(t.Context(), f.device.Tenant, queue.Filter{}, store.Page{Cursor: cursor, Limit: 10})
		requireRefusal(t, err, fieldgate.CodeValidationFailed)
	}
}

// listedMembers returns the members of the tenant's index of commands.
func (f *fixture) listedMembers() (members []string) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) (err error) {
		members, err = c.ZRange(ctx, store.Tenant(f.device.Tenant).CommandsKey(), 0, -1).Result()
		return err
	})
	return members
}

func TestSearch_IndexIsFilledForEarlierCommands(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(auto)
		before := f.listedMembers()
		f.do(func(ctx context.Context, client store.Client) error {
			return client.Del(ctx, store.Tenant(f.device.Tenant).CommandsKey()).Err()
		})
		_, err := f.queue.Reconcile(t.Context(), f.device)
		require.NoError(t, err)
		require.Equal(t, before, f.listedMembers())
		found, _ := f.search(queue.Filter{Since: c.CreatedAt}, 10)
		require.Equal(t, []string{c.ID}, found)
	})
}

func TestSearch_IndexForgetsDeletedCommands(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, retention(time.Millisecond))
		f.inState(queue.Succeeded)
		kept := f.propose(auto)
		eventually(t, "the entry was not deleted", func() bool {
			f.sweep()
			return slices.Equal([]string{f.device.ListedMember(kept.ID)}, f.listedMembers())
		})
	})
}

func TestSearch_ReconcilerRemovesStaleEntries(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		kept := f.propose(auto)
		stale := store.NewID(store.KindCommand, store.PartitionOf(f.device.Tenant))
		gone := store.Device{Tenant: f.device.Tenant, ID: store.NewID(store.KindDevice, store.PartitionOf(f.device.Tenant))}
		f.do(func(ctx context.Context, c store.Client) error {
			return c.ZAdd(ctx, store.Tenant(f.device.Tenant).CommandsKey(),
				redis.Z{Score: 1, Member: f.device.ListedMember(stale)}, redis.Z{Score: 2, Member: gone.ListedMember(stale)}).Err()
		})
		require.NoError(t, f.queue.ReconcileListed(t.Context(), f.device.Tenant))
		require.Equal(t, []string{f.device.ListedMember(kept.ID)}, f.listedMembers())
	})
}
