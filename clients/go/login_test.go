package fieldgate_test

import (
	"context"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

func TestADeviceLogsInWhenItIsFirstUsedAndKeepsTheLogin(t *testing.T) {
	t.Parallel()
	var sent, authorization string
	fleet := &fleet{}
	device := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/device/auth" {
			sent, authorization = bodyOf(r), r.Header.Get("Authorization")
		}
		fleet.ServeHTTP(w, r)
	}).Device(deviceID, deviceSecret)
	require.Zero(t, fleet.loginCount())

	for range 3 {
		_, err := device.Heartbeat(t.Context(), ok)
		require.NoError(t, err)
	}
	require.Equal(t, 1, fleet.loginCount())
	require.JSONEq(t, `{"deviceId":"`+deviceID+`","deviceSecret":"`+deviceSecret+`"}`, sent)
	require.Empty(t, authorization)
}

func TestA401LeadsToOneLoginAndTheSameRequestAgain(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var bodies, keys, ids []string
	fleet := &fleet{work: func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"commands": []fieldgate.ClaimedCommand{{ID: commandID}}})
	}}
	device := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/claim") {
			mu.Lock()
			bodies = append(bodies, bodyOf(r))
			keys = append(keys, r.Header.Get("Idempotency-Key"))
			ids = append(ids, r.Header.Get("X-Request-ID"))
			mu.Unlock()
		}
		fleet.ServeHTTP(w, r)
	}).Device(deviceID, deviceSecret)

	_, err := device.Claim(t.Context(), fieldgate.ClaimRequest{Limit: 1})
	require.NoError(t, err)
	fleet.revoke()

	ctx := fieldgate.ContextWithRequestID(t.Context(), requestID)
	commands, err := device.Claim(ctx, fieldgate.ClaimRequest{Limit: 2}, fieldgate.WithIdempotencyKey("boot-7"))
	require.NoError(t, err)
	require.Equal(t, commandID, commands[0].ID)
	require.Equal(t, 2, fleet.loginCount())
	require.Equal(t, []string{`{"limit":1}`, `{"limit":2}`, `{"limit":2}`}, bodies)
	require.Equal(t, []string{"", "boot-7", "boot-7"}, keys)
	require.Equal(t, []string{"", requestID, requestID}, ids)
}

func TestA401AfterTheNewLoginIsReturned(t *testing.T) {
	t.Parallel()
	var calls int
	fleet := &fleet{work: func(w http.ResponseWriter, _ *http.Request) {
		calls++
		refuse(w, http.StatusUnauthorized, fieldgate.CodeUnauthorized)
	}}
	device := serve(t, fleet.ServeHTTP).Device(deviceID, deviceSecret)

	_, err := device.Heartbeat(t.Context(), ok)
	require.Equal(t, fieldgate.CodeUnauthorized, fieldgate.CodeOf(err))
	require.Equal(t, 2, calls)
	require.Equal(t, 2, fleet.loginCount())
}

func TestConcurrent401sLeadToOneLogin(t *testing.T) {
	t.Parallel()
	const callers = 40
	var refused sync.WaitGroup
	fleet := &fleet{}
	device := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-1" && fleet.token() != "token-1" {
			refused.Done()
			refused.Wait() // until all callers hold the revoked token
		}
		fleet.ServeHTTP(w, r)
	}).Device(deviceID, deviceSecret)
	_, err := device.Heartbeat(t.Context(), ok)
	require.NoError(t, err)

	fleet.revoke()
	refused.Add(callers)
	for _, err := range together(callers, func() error { _, err := device.Heartbeat(t.Context(), ok); return err }) {
		require.NoError(t, err)
	}
	require.Equal(t, 2, fleet.loginCount())
}

func TestConcurrent401sShareARefusedLogin(t *testing.T) {
	t.Parallel()
	const callers = 40
	var refused sync.WaitGroup
	fleet := &fleet{}
	device := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-1" && fleet.token() != "token-1" {
			refused.Done()
			refused.Wait()
		}
		fleet.ServeHTTP(w, r)
	}).Device(deviceID, deviceSecret)
	_, err := device.Heartbeat(t.Context(), ok)
	require.NoError(t, err)

	fleet.revoke()
	fleet.shut(http.StatusForbidden, fieldgate.CodeDeviceSuspended)
	refused.Add(callers)
	for _, err := range together(callers, func() error { _, err := device.Heartbeat(t.Context(), ok); return err }) {
		require.Equal(t, fieldgate.CodeDeviceSuspended, fieldgate.CodeOf(err))
	}
	require.Equal(t, 2, fleet.loginCount())
}

func TestARefusedLoginIsReturnedAndTriedAgainByTheNextCallOnly(t *testing.T) {
	t.Parallel()
	for code, status := range map[string]int{
		fieldgate.CodeInvalidCredentials: http.StatusUnauthorized,
		fieldgate.CodeDeviceSuspended:    http.StatusForbidden,
		fieldgate.CodeRateLimited:        http.StatusTooManyRequests,
		fieldgate.CodeStoreUnavailable:   http.StatusServiceUnavailable,
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			fleet := &fleet{}
			fleet.shut(status, code)
			device := serve(t, fleet.ServeHTTP).Device(deviceID, deviceSecret)

			for calls := 1; calls <= 2; calls++ {
				_, err := device.Heartbeat(t.Context(), ok)
				require.Equal(t, code, fieldgate.CodeOf(err))
				require.Equal(t, calls, fleet.loginCount())
			}
		})
	}
}

func TestOnlyA401EndsALogin(t *testing.T) {
	t.Parallel()
	for code, status := range map[string]int{
		fieldgate.CodeDeviceSuspended:  http.StatusForbidden,
		fieldgate.CodeRateLimited:      http.StatusTooManyRequests,
		fieldgate.CodeInternal:         http.StatusInternalServerError,
		fieldgate.CodeStoreUnavailable: http.StatusServiceUnavailable,
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			var calls int
			fleet := &fleet{work: func(w http.ResponseWriter, _ *http.Request) {
				calls++
				refuse(w, status, code)
			}}
			device := serve(t, fleet.ServeHTTP).Device(deviceID, deviceSecret)

			for range 2 {
				_, err := device.Heartbeat(t.Context(), ok)
				require.Equal(t, code, fieldgate.CodeOf(err))
			}
			require.Equal(t, 2, calls, "nothing but a 401 is repeated")
			require.Equal(t, 1, fleet.loginCount())
		})
	}
}

func TestALoginIsRenewedWhenMostOfItsLifeHasPassed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet := &fleet{expiresIn: 1000}
		device := connect(t, "http://gateway", fieldgate.WithTransport(play(fleet.ServeHTTP))).Device(deviceID, deviceSecret)
		beat := func() {
			_, err := device.Heartbeat(t.Context(), ok)
			require.NoError(t, err)
		}

		beat()
		time.Sleep(799 * time.Second)
		beat()
		require.Equal(t, 1, fleet.loginCount())

		time.Sleep(101 * time.Second)
		for _, err := range together(40, func() error { _, err := device.Heartbeat(t.Context(), ok); return err }) {
			require.NoError(t, err)
		}
		require.Equal(t, 2, fleet.loginCount())

		time.Sleep(799 * time.Second)
		beat()
		require.Equal(t, 2, fleet.loginCount(), "the life of the new login counts")
	})
}

func TestDevicesThatLoggedInTogetherAreRenewedApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const devices = 100
		fleet := &fleet{expiresIn: 1000}
		gateway := connect(t, "http://gateway", fieldgate.WithTransport(play(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && r.URL.Path == "/api/v1/device/auth" {
				fleet.letIn(w)
				return
			}
			answer(w, http.StatusOK, fieldgate.HeartbeatReply{})
		})))
		var all []*fieldgate.DeviceClient
		for range devices {
			all = append(all, gateway.Device(deviceID, deviceSecret))
		}
		beat := func() int {
			before := fleet.loginCount()
			for _, device := range all {
				_, err := device.Heartbeat(t.Context(), ok)
				require.NoError(t, err)
			}
			return fleet.loginCount() - before
		}

		require.Equal(t, devices, beat())
		time.Sleep(850 * time.Second)
		require.InDelta(t, devices/2, beat(), devices/4)
	})
}

func TestAFailedRenewalLeavesTheLoginInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet := &fleet{expiresIn: 1000}
		device := connect(t, "http://gateway", fieldgate.WithTransport(play(fleet.ServeHTTP))).Device(deviceID, deviceSecret)
		_, err := device.Heartbeat(t.Context(), ok)
		require.NoError(t, err)

		fleet.shut(http.StatusServiceUnavailable, fieldgate.CodeStoreUnavailable)
		time.Sleep(901 * time.Second)
		for range 3 {
			_, err = device.Heartbeat(t.Context(), ok)
			require.NoError(t, err)
		}
		require.Equal(t, 2, fleet.loginCount(), "a gateway in trouble is asked once")

		fleet.revoke()
		_, err = device.Heartbeat(t.Context(), ok)
		require.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(err))
		require.Equal(t, 3, fleet.loginCount())
	})
}

func TestALifetimeThatCannotBeMeantDoesNoHarm(t *testing.T) {
	t.Parallel()
	for _, expiresIn := range []int{math.MinInt, -1, 0, math.MaxInt} {
		synctest.Test(t, func(t *testing.T) {
			fleet := &fleet{expiresIn: expiresIn}
			device := connect(t, "http://gateway", fieldgate.WithTransport(play(fleet.ServeHTTP))).Device(deviceID, deviceSecret)
			for range 3 {
				_, err := device.Heartbeat(t.Context(), ok)
				require.NoError(t, err)
				time.Sleep(30 * 24 * time.Hour)
			}
			require.Equal(t, 1, fleet.loginCount(), "it is kept until it is refused")
		})
	}
}

func TestACancelledCallLeavesTheLoginToTheOthers(t *testing.T) {
	t.Parallel()
	started, release := make(chan struct{}), make(chan struct{})
	fleet := &fleet{}
	device := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/device/auth" {
			close(started)
			<-release
		}
		fleet.ServeHTTP(w, r)
	}).Device(deviceID, deviceSecret)

	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := device.Heartbeat(ctx, ok); first <- err }()
	<-started
	go func() { _, err := device.Heartbeat(t.Context(), ok); second <- err }()

	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	close(release)
	require.NoError(t, <-second)
	require.Equal(t, 1, fleet.loginCount())
}

func TestLoggingOutEndsTheLogin(t *testing.T) {
	t.Parallel()
	var ended []string
	fleet := &fleet{work: func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			ended = append(ended, r.Header.Get("Authorization"))
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, http.StatusOK, fieldgate.HeartbeatReply{})
	}}
	device := serve(t, fleet.ServeHTTP).Device(deviceID, deviceSecret)

	require.NoError(t, device.Logout(t.Context()))
	require.Zero(t, fleet.loginCount(), "there was nothing to end")

	_, err := device.Heartbeat(t.Context(), ok)
	require.NoError(t, err)
	require.NoError(t, device.Logout(t.Context()))
	require.Equal(t, []string{"Bearer token-1"}, ended)

	_, err = device.Heartbeat(t.Context(), ok)
	require.NoError(t, err)
	require.Equal(t, 2, fleet.loginCount(), "the next call logs in again")
}

func TestALogoutThatFailsKeepsTheLogin(t *testing.T) {
	t.Parallel()
	fleet := &fleet{work: func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			refuse(w, http.StatusServiceUnavailable, fieldgate.CodeStoreUnavailable)
			return
		}
		answer(w, http.StatusOK, fieldgate.HeartbeatReply{})
	}}
	device := serve(t, fleet.ServeHTTP).Device(deviceID, deviceSecret)
	_, err := device.Heartbeat(t.Context(), ok)
	require.NoError(t, err)

	require.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(device.Logout(t.Context())))
	_, err = device.Heartbeat(t.Context(), ok)
	require.NoError(t, err)
	require.Equal(t, 1, fleet.loginCount())
}

// together makes calls at the same time and gives their errors.
func together(calls int, call func() error) []error {
	errs := make([]error, calls)
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() { errs[i] = call() })
	}
	all.Wait()
	return errs
}
