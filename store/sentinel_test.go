package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestSentinel_StoreFindsNewMaster(t *testing.T) {
	t.Parallel()
	master := storetest.Start(t)
	replica := storetest.Start(t, "--replicaof", "127.0.0.1 "+master.Port)
	replicaClient := replica.Client(t)
	require.Eventually(t, func() bool {
		return strings.Contains(replicaClient.Info(context.Background(), "replication").Val(), "master_link_status:up")
	}, 10*time.Second, 10*time.Millisecond)
	_, url := storetest.StartSentinel(t, master)

	s := storetest.Connect(t, store.Config{URL: url, AutoPipeline: true})
	info, err := s.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, "sentinel", info.Mode)
	key := newKey()
	for n := range 3 {
		require.EqualValues(t, n+1, count(t, s, key))
	}
	require.NoError(t, master.Client(t).Wait(t.Context(), 1, time.Second).Err())

	l, _ := listen(t, s)
	l.receives(store.Wake{})
	master.Kill()
	require.Eventually(t, func() bool {
		_, err := s.Run(context.Background(), countScript, []string{key})
		require.Contains(t, []fieldgate.Code{"", fieldgate.CodeStoreUnavailable}, codeOf(err))
		return err == nil
	}, 15*time.Second, 20*time.Millisecond)
	require.EqualValues(t, 5, count(t, s, key), "no acknowledged write is lost, and no script ran twice")
	l.receives(store.Wake{})
	require.Eventually(t, func() bool {
		_, err := s.Ping(context.Background())
		return err == nil
	}, 5*time.Second, 10*time.Millisecond)
	publish(t, s, "event dev tenant 1-0")
	l.receives(store.Wake{DeviceID: "dev", Tenant: "tenant", EventID: "1-0"})
}
