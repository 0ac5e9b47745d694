package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestTrimQuarantine_KeepsNewest fills a quarantine over its bound and trims it on several
// instances at once. The newest entries stay, and the others are logged.
func TestTrimQuarantine_KeepsNewest(t *testing.T) {
	t.Parallel()
	url := storetest.Start(t).URL()
	for name, url := range map[string]string{"embedded": "", "redis": url} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := new(storetest.Buffer)
			s := storetest.Connect(t, store.Config{URL: url, Logger: slog.New(slog.NewTextHandler(log, nil))})
			key := store.Partition(7).QuarantineKey()
			require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
				pipe := c.Pipeline()
				for i := range 1600 {
					pipe.RPush(ctx, key, fmt.Sprintf("entry-%04d", i))
				}
				_, err := pipe.Exec(ctx)
				return err
			}))
			for range 2 {
				var instances sync.WaitGroup
				for range 3 {
					instances.Go(func() { require.NoError(t, s.TrimQuarantine(t.Context())) })
				}
				instances.Wait()
			}
			require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
				left, err := c.LRange(ctx, key, 0, -1).Result()
				require.Len(t, left, 1000)
				require.Equal(t, "entry-0600", left[0])
				return err
			}))
			require.Equal(t, 600, strings.Count(log.String(), "removed the oldest entry"))
			require.Contains(t, log.String(), "entry-0599")
		})
	}
}
