package gateway_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestSocket_ResumingTenantDoesNotDelayOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	t.Parallel()
	const sockets, resumes, events = 200, 90, 1000 // 90 resumes are just below the frame limit of a socket
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url))
	greedy, modest := newFleet(t, g), newFleet(t, g)
	greedy.publisher(t, url).publish(events)
	s := modest.customerSocket(t, g)

	var resuming sync.WaitGroup
	for range sockets {
		one := greedy.customerSocket(t, g)
		resuming.Go(func() {
			for range resumes {
				_ = one.TrySend(`{"type":"subscribe","data":{"room":"tenant","since":"0-0"}}`)
			}
		})
	}
	resuming.Wait()

	began := time.Now()
	s.Subscribe("tenant", "0-0")
	s.Event()
	require.Less(t, time.Since(began), 10*time.Second)
}
