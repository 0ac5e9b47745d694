package store_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// newIndex writes an index and returns its key.
func newIndex(t *testing.T, s *store.Store, members ...string) string {
	t.Helper()
	key := store.Tenant(storetest.Tenant()).SessionsKey()
	entries := make([]redis.Z, len(members))
	for i, member := range members {
		entries[i] = redis.Z{Member: member}
	}
	do(t, s, func(ctx context.Context, c store.Client) error { return c.ZAdd(ctx, key, entries...).Err() })
	return key
}

// readAll reads a list page by page, like a client.
func readAll(t *testing.T, s *store.Store, l store.Listing, limit int) (all []string) {
	t.Helper()
	page := store.Page{Limit: limit}
	for {
		members, err := s.Members(t.Context(), l, page)
		require.NoError(t, err)
		require.LessOrEqual(t, len(members), limit+1)
		if len(members) <= limit {
			return append(all, members...)
		}
		all = append(all, members[:limit]...)
		page.Cursor = store.CursorAfter(members[limit-1])
	}
}

func TestMembers_PagesWithoutGapsOrRepeats(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var members []string
		for i := range 25 {
			members = append(members, fmt.Sprintf("m%02d", i))
		}
		key := newIndex(t, s, members...)
		newest := slices.Clone(members)
		slices.Reverse(newest)
		for _, limit := range []int{1, 5, 24, 25, 26, 100} {
			require.Equal(t, members, readAll(t, s, store.Listing{Key: key}, limit))
			require.Equal(t, newest, readAll(t, s, store.Listing{Key: key, Newest: true}, limit))
		}
	})
}

func TestMembers_ReturnsOnlyPrefix(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		key := newIndex(t, s, "a:1", "a:2", "a:3", "a", "a9", "b:1", "ab:1", "`:1", "a;1")
		for _, newest := range []bool{false, true} {
			want := []string{"1", "2", "3"}
			if newest {
				slices.Reverse(want)
			}
			for _, limit := range []int{1, 2, 3, 4} {
				require.Equal(t, want, readAll(t, s, store.Listing{Key: key, Prefix: "a:", Newest: newest}, limit))
			}
			require.Empty(t, readAll(t, s, store.Listing{Key: key, Prefix: "c:", Newest: newest}, 2))
		}
	})
}

func TestMembers_MissingIndexIsEmpty(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		key := store.Tenant(storetest.Tenant()).SessionsKey()
		for _, newest := range []bool{false, true} {
			require.Empty(t, readAll(t, s, store.Listing{Key: key, Newest: newest}, 10))
			members, err := s.Members(t.Context(), store.Listing{Key: key, Newest: newest}, store.Page{Cursor: store.CursorAfter("m"), Limit: 1})
			require.NoError(t, err)
			require.Empty(t, members)
		}
	})
}

// TestMembers_CursorOutlivesItsMember removes the last member of a page before the next
// page is read.
func TestMembers_CursorOutlivesItsMember(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		key := newIndex(t, s, "a", "b", "c", "d")
		do(t, s, func(ctx context.Context, c store.Client) error { return c.ZRem(ctx, key, "b").Err() })
		members, err := s.Members(t.Context(), store.Listing{Key: key}, store.Page{Cursor: store.CursorAfter("b"), Limit: 10})
		require.NoError(t, err)
		require.Equal(t, []string{"c", "d"}, members)
	})
}

func TestMembers_RefusesInvalidCursor(t *testing.T) {
	t.Parallel()
	s := storetest.Connect(t, store.Config{})
	for _, cursor := range []string{"!", "a b", "YQ==", "a", "\x00", "é"} {
		_, err := s.Members(t.Context(), store.Listing{Key: newKey()}, store.Page{Cursor: cursor, Limit: 1})
		requireCode(t, fieldgate.CodeValidationFailed, err)
	}
}

// TestMembers_TamperedCursorStaysWithinPrefix checks forged cursors. A forged cursor may
// change the position in the list, but must not select members outside it.
func TestMembers_TamperedCursorStaysWithinPrefix(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		key := newIndex(t, s, "a:1", "mine:1", "mine:2", "z:1")
		for _, position := range []string{"", "0", "9", "\xff", "\xff\xff\xff", "+", "-", "[z", "(a", ":1", "\x00", "\nz:"} {
			cursor := base64.RawURLEncoding.EncodeToString([]byte(position))
			for _, newest := range []bool{false, true} {
				members, err := s.Members(t.Context(), store.Listing{Key: key, Prefix: "mine:", Newest: newest}, store.Page{Cursor: cursor, Limit: 10})
				require.NoError(t, err, "%q", position)
				require.Subset(t, []string{"1", "2"}, members, "%q", position)
			}
		}
	})
}
