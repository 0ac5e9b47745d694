package realtime

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestRenewal_EndsBeforeTheSocketIsUnregistered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Socket{}
		require.True(t, s.beginRenewal())
		require.True(t, s.beginRenewal(), "two renewals of a socket may run at the same time")
		ended := false
		go func() {
			s.endRenewals()
			ended = true
		}()
		synctest.Wait()
		require.False(t, s.beginRenewal(), "no renewal may start any more")
		s.renewals.Done()
		synctest.Wait()
		require.False(t, ended, "the second renewal still runs")
		s.renewals.Done()
		synctest.Wait()
		require.True(t, ended)
	})
}
