package session_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// list reads all pages. It returns the ids of the sessions and the number of pages.
func (b *bench) list(f session.Filter, limit int) (ids []string, pages int) {
	b.t.Helper()
	page := store.Page{Limit: limit}
	for {
		list, next, err := b.sessions.List(b.t.Context(), b.device.Tenant, f, page)
		require.NoError(b.t, err)
		require.LessOrEqual(b.t, len(list), limit)
		for _, s := range list {
			ids = append(ids, s.ID)
		}
		if pages++; next == "" {
			return ids, pages
		}
		page.Cursor = next
	}
}

// writeSessions writes n session records directly into the store. It returns their
// ids, newest first.
func (b *bench) writeSessions(n int, status session.Status) (ids []string) {
	b.t.Helper()
	first := rand.Int64N(1e12) // another tenant of the partition may write sessions too
	for i := range n {
		// The ids are built here, because NewID does not order ids from the same millisecond.
		ids = append(ids, fmt.Sprintf("ses_%s%026d", store.PartitionOf(b.device.Tenant), first+int64(i)))
	}
	for batch := range slices.Chunk(ids, 100) { // all at once would take longer than the store may
		b.do(func(ctx context.Context, c store.Client) error {
			pipe := c.Pipeline()
			for _, id := range batch {
				pipe.HSet(ctx, store.SessionKey(id), "tenant", b.device.Tenant, "device", b.device.ID, "status", string(status),
					"type", "diagnostic", "created", 1, "expires", strconv.FormatInt(time.Now().Add(time.Hour).UnixMilli(), 10))
				pipe.ZAdd(ctx, store.Tenant(b.device.Tenant).SessionsKey(), redis.Z{Member: id})
				pipe.ZAdd(ctx, b.device.SessionsKey(), redis.Z{Member: id})
			}
			_, err := pipe.Exec(ctx)
			return err
		})
	}
	slices.Reverse(ids)
	return ids
}

func TestList_NewestFirstInPages(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		all := b.writeSessions(23, session.Closed)
		for limit, wantPages := range map[int]int{1: 23, 5: 5, 22: 2, 23: 1, 24: 1, 100: 1} {
			ids, pages := b.list(session.Filter{}, limit)
			require.Equal(b.t, all, ids)
			require.Equal(b.t, wantPages, pages, "pages of %d", limit)
		}
	})
}

func TestList_Filter(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		other := b.newDevice(b.device.Tenant)
		closed := b.open()
		b.close(closed.ID)
		expired := b.open()
		b.expire(expired.ID)
		active := b.open()
		onOther := b.open(func(o *session.OpenRequest) { o.DeviceID = other.ID })

		for name, c := range map[string]struct {
			filter session.Filter
			want   []string
		}{
			"all":                  {session.Filter{}, []string{onOther.ID, active.ID, expired.ID, closed.ID}},
			"of a device":          {session.Filter{DeviceID: b.device.ID}, []string{active.ID, expired.ID, closed.ID}},
			"active":               {session.Filter{Status: session.Active}, []string{onOther.ID, active.ID}},
			"active of a device":   {session.Filter{DeviceID: other.ID, Status: session.Active}, []string{onOther.ID}},
			"closed":               {session.Filter{Status: session.Closed}, []string{closed.ID}},
			"expired":              {session.Filter{Status: session.Expired}, []string{expired.ID}},
			"expired of a device":  {session.Filter{DeviceID: other.ID, Status: session.Expired}, nil},
			"of an unknown status": {session.Filter{Status: "open"}, nil},
		} {
			for _, limit := range []int{1, 2, 100} {
				ids, _ := b.list(c.filter, limit)
				require.ElementsMatch(b.t, c.want, ids, name)
			}
		}
	})
}

func TestTenancy_ListOmitsOtherTenantsSessions(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		other := newBench(b.t, b.store)
		other.device = other.newDevice(tenantInSamePartition(b.device.Tenant))
		other.writeSessions(1100, session.Closed) // more sessions than one call of List can read
		for _, id := range []string{"", other.device.ID, "dev_zz", store.NewID(store.KindDevice, store.PartitionOf(b.device.Tenant))} {
			for _, limit := range []int{1, 10} {
				found, next, err := b.sessions.List(b.t.Context(), b.device.Tenant, session.Filter{DeviceID: id}, store.Page{Limit: limit})
				require.NoError(b.t, err)
				require.Empty(b.t, found)
				require.Empty(b.t, next, "a cursor names a session of another tenant")
			}
		}
	})
}

// TestList_ReadsAtMostThousandRecords filters by a status that only the oldest session has.
// One call reads too few records to find that session, so it returns an empty page with a
// cursor.
func TestList_ReadsAtMostThousandRecords(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		rare := b.writeSessions(2500, session.Closed)[2499]
		b.do(func(ctx context.Context, c store.Client) error {
			return c.HSet(ctx, store.SessionKey(rare), "status", "active").Err()
		})
		first, next, err := b.sessions.List(b.t.Context(), b.device.Tenant, session.Filter{Status: session.Active}, store.Page{Limit: 10})
		require.NoError(b.t, err)
		require.Empty(b.t, first)
		require.NotEmpty(b.t, next)
		ids, pages := b.list(session.Filter{Status: session.Active}, 10)
		require.Equal(b.t, []string{rare}, ids)
		require.Equal(b.t, 3, pages)
	})
}

func TestList_InvalidCursorIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Connect(t, store.Config{}))
	for _, cursor := range []string{"!", "YQ==", "\x00"} {
		_, _, err := b.sessions.List(t.Context(), b.device.Tenant, session.Filter{}, store.Page{Cursor: cursor, Limit: 10})
		requireCode(t, fieldgate.CodeValidationFailed, err)
	}
}

func TestList_DamagedRecordDoesNotHideOthers(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		all := b.writeSessions(3, session.Active)
		b.do(func(ctx context.Context, c store.Client) error {
			return errors.Join(c.Del(ctx, store.SessionKey(all[1])).Err(), c.Set(ctx, store.SessionKey(all[1]), "nonsense", 0).Err())
		})
		ids, _ := b.list(session.Filter{}, 10)
		require.Equal(b.t, []string{all[0], all[2]}, ids)
		_, err := b.sessions.Get(b.t.Context(), b.device.Tenant, all[1])
		require.Equal(b.t, fieldgate.CodeSessionNotFound, fieldgate.CodeOf(err))
	})
}
