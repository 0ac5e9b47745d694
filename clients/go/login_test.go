package fieldgate_test

import (
	"context"
	"encoding/json"
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

func TestLogin_OnFirstCall(t *testing.T) {
	t.Parallel()
	var sent, authorization string
	logins := &loginServer{}
	device := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/device/auth" {
			sent, authorization = readBody(r), r.Header.Get("Authorization")
		}
		logins.ServeHTTP(w, r)
	}).Device(deviceID, deviceSecret)
	require.Zero(t, logins.count())

	for range 3 {
		_, err := device.Heartbeat(t.Context(), alive)
		require.NoError(t, err)
	}
	require.Equal(t, 1, logins.count())
	var request fieldgate.AuthenticateDeviceRequest
	require.NoError(t, json.Unmarshal([]byte(sent), &request))
	require.NotEmpty(t, request.InstanceID)
	request.InstanceID = ""
	require.Equal(t, fieldgate.AuthenticateDeviceRequest{DeviceID: deviceID, DeviceSecret: deviceSecret}, request)
	require.Empty(t, authorization)
}

// TestLogin_NamesInstance requires one id for all logins of a program.
func TestLogin_NamesInstance(t *testing.T) {
	t.Parallel()
	var ids recorder[string]
	for range 2 {
		logins := &loginServer{}
		gateway := serve(t, func(w http.ResponseWriter, r *http.Request) {
			var request fieldgate.AuthenticateDeviceRequest
			if json.Unmarshal([]byte(readBody(r)), &request) == nil && request.InstanceID != "" {
				ids.add(request.InstanceID)
			}
			logins.ServeHTTP(w, r)
		})
		for range 2 {
			_, err := gateway.Device(deviceID, deviceSecret).Heartbeat(t.Context(), alive)
			require.NoError(t, err)
		}
	}
	found := ids.list()
	require.Len(t, found, 4)
	for _, id := range found {
		require.Equal(t, found[0], id)
	}
}

// TestLogin_EarlierGatewayGetsNoInstance logs in at a gateway whose contract has no instanceId.
func TestLogin_EarlierGatewayGetsNoInstance(t *testing.T) {
	t.Parallel()
	logins := &loginServer{}
	device := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/device/auth" && strings.Contains(readBody(r), "instanceId") {
			writeProblem(w, http.StatusBadRequest, fieldgate.CodeValidationFailed)
			return
		}
		logins.ServeHTTP(w, r)
	}).Device(deviceID, deviceSecret)
	_, err := device.Heartbeat(t.Context(), alive)
	require.NoError(t, err)
	require.Equal(t, 1, logins.count())
}

func TestLogin_RepeatsTheRequestAfter401(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var bodies, keys, ids []string
	logins := &loginServer{handler: func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"commands": []fieldgate.ClaimedCommand{{ID: commandID}}})
	}}
	device := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/claim") {
			mu.Lock()
			bodies = append(bodies, readBody(r))
			keys = append(keys, r.Header.Get("Idempotency-Key"))
			ids = append(ids, r.Header.Get("X-Request-ID"))
			mu.Unlock()
		}
		logins.ServeHTTP(w, r)
	}).Device(deviceID, deviceSecret)

	_, err := device.Claim(t.Context(), fieldgate.ClaimRequest{Limit: 1})
	require.NoError(t, err)
	logins.revoke()

	ctx := fieldgate.ContextWithRequestID(t.Context(), requestID)
	commands, err := device.Claim(ctx, fieldgate.ClaimRequest{Limit: 2}, fieldgate.WithIdempotencyKey("boot-7"))
	require.NoError(t, err)
	require.Equal(t, commandID, commands[0].ID)
	require.Equal(t, 2, logins.count())
	require.Equal(t, []string{`{"limit":1}`, `{"limit":2}`, `{"limit":2}`}, bodies)
	require.Equal(t, []string{"", "boot-7", "boot-7"}, keys)
	require.Equal(t, []string{"", requestID, requestID}, ids)
}

func TestLogin_Second401IsReturned(t *testing.T) {
	t.Parallel()
	var calls int
	logins := &loginServer{handler: func(w http.ResponseWriter, _ *http.Request) {
		calls++
		writeProblem(w, http.StatusUnauthorized, fieldgate.CodeUnauthorized)
	}}
	device := serve(t, logins.ServeHTTP).Device(deviceID, deviceSecret)

	_, err := device.Heartbeat(t.Context(), alive)
	require.Equal(t, fieldgate.CodeUnauthorized, fieldgate.CodeOf(err))
	require.Equal(t, 2, calls)
	require.Equal(t, 2, logins.count())
}

func TestLogin_SharedByConcurrent401s(t *testing.T) {
	t.Parallel()
	const callers = 40
	var refused sync.WaitGroup
	logins := &loginServer{}
	device := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-1" && logins.token() != "token-1" {
			refused.Done()
			refused.Wait() // wait until all callers have sent the revoked token
		}
		logins.ServeHTTP(w, r)
	}).Device(deviceID, deviceSecret)
	_, err := device.Heartbeat(t.Context(), alive)
	require.NoError(t, err)

	logins.revoke()
	refused.Add(callers)
	for _, err := range concurrently(callers, func() error { _, err := device.Heartbeat(t.Context(), alive); return err }) {
		require.NoError(t, err)
	}
	require.Equal(t, 2, logins.count())
}

func TestLogin_RefusalSharedByConcurrent401s(t *testing.T) {
	t.Parallel()
	const callers = 40
	var refused sync.WaitGroup
	logins := &loginServer{}
	device := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-1" && logins.token() != "token-1" {
			refused.Done()
			refused.Wait()
		}
		logins.ServeHTTP(w, r)
	}).Device(deviceID, deviceSecret)
	_, err := device.Heartbeat(t.Context(), alive)
	require.NoError(t, err)

	logins.revoke()
	logins.refuseLogins(http.StatusForbidden, fieldgate.CodeDeviceSuspended)
	refused.Add(callers)
	for _, err := range concurrently(callers, func() error { _, err := device.Heartbeat(t.Context(), alive); return err }) {
		require.Equal(t, fieldgate.CodeDeviceSuspended, fieldgate.CodeOf(err))
	}
	require.Equal(t, 2, logins.count())
}

func TestLogin_RefusalIsReturnedAndNextCallRetries(t *testing.T) {
	t.Parallel()
	for code, status := range map[string]int{
		fieldgate.CodeInvalidCredentials: http.StatusUnauthorized,
		fieldgate.CodeDeviceSuspended:    http.StatusForbidden,
		fieldgate.CodeRateLimited:        http.StatusTooManyRequests,
		fieldgate.CodeStoreUnavailable:   http.StatusServiceUnavailable,
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			logins := &loginServer{}
			logins.refuseLogins(status, code)
			device := serve(t, logins.ServeHTTP).Device(deviceID, deviceSecret)

			for calls := 1; calls <= 2; calls++ {
				_, err := device.Heartbeat(t.Context(), alive)
				require.Equal(t, code, fieldgate.CodeOf(err))
				require.Equal(t, calls, logins.count())
			}
		})
	}
}

func TestLogin_KeptAfterOtherRefusals(t *testing.T) {
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
			logins := &loginServer{handler: func(w http.ResponseWriter, _ *http.Request) {
				calls++
				writeProblem(w, status, code)
			}}
			device := serve(t, logins.ServeHTTP).Device(deviceID, deviceSecret)

			for range 2 {
				_, err := device.Heartbeat(t.Context(), alive)
				require.Equal(t, code, fieldgate.CodeOf(err))
			}
			require.Equal(t, 2, calls, "only a 401 is repeated")
			require.Equal(t, 1, logins.count())
		})
	}
}

func TestLogin_RenewedBeforeItExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		logins := &loginServer{expiresIn: 1000}
		device := newGateway(t, "http://gateway", fieldgate.WithTransport(handlerTransport(logins.ServeHTTP))).Device(deviceID, deviceSecret)
		heartbeat := func() {
			_, err := device.Heartbeat(t.Context(), alive)
			require.NoError(t, err)
		}

		heartbeat()
		time.Sleep(799 * time.Second)
		heartbeat()
		require.Equal(t, 1, logins.count())

		time.Sleep(101 * time.Second)
		for _, err := range concurrently(40, func() error { _, err := device.Heartbeat(t.Context(), alive); return err }) {
			require.NoError(t, err)
		}
		require.Equal(t, 2, logins.count())

		time.Sleep(799 * time.Second)
		heartbeat()
		require.Equal(t, 2, logins.count(), "the lifetime of the new login counts")
	})
}

func TestLogin_RenewalsAreSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const devices = 100
		logins := &loginServer{expiresIn: 1000}
		gateway := newGateway(t, "http://gateway", fieldgate.WithTransport(handlerTransport(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && r.URL.Path == "/api/v1/device/auth" {
				logins.logIn(w)
				return
			}
			writeJSON(w, http.StatusOK, fieldgate.HeartbeatReply{})
		})))
		var all []*fieldgate.DeviceClient
		for range devices {
			all = append(all, gateway.Device(deviceID, deviceSecret))
		}
		heartbeat := func() int {
			before := logins.count()
			for _, device := range all {
				_, err := device.Heartbeat(t.Context(), alive)
				require.NoError(t, err)
			}
			return logins.count() - before
		}

		require.Equal(t, devices, heartbeat())
		time.Sleep(850 * time.Second)
		require.InDelta(t, devices/2, heartbeat(), devices/4)
	})
}

func TestLogin_KeptAfterAFailedRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		logins := &loginServer{expiresIn: 1000}
		device := newGateway(t, "http://gateway", fieldgate.WithTransport(handlerTransport(logins.ServeHTTP))).Device(deviceID, deviceSecret)
		_, err := device.Heartbeat(t.Context(), alive)
		require.NoError(t, err)

		logins.refuseLogins(http.StatusServiceUnavailable, fieldgate.CodeStoreUnavailable)
		time.Sleep(901 * time.Second)
		for range 3 {
			_, err = device.Heartbeat(t.Context(), alive)
			require.NoError(t, err)
		}
		require.Equal(t, 2, logins.count(), "a failing gateway is called once")

		logins.revoke()
		_, err = device.Heartbeat(t.Context(), alive)
		require.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(err))
		require.Equal(t, 3, logins.count())
	})
}

func TestLogin_InvalidLifetime(t *testing.T) {
	t.Parallel()
	for _, expiresIn := range []int{math.MinInt, -1, 0, math.MaxInt} {
		synctest.Test(t, func(t *testing.T) {
			logins := &loginServer{expiresIn: expiresIn}
			device := newGateway(t, "http://gateway", fieldgate.WithTransport(handlerTransport(logins.ServeHTTP))).Device(deviceID, deviceSecret)
			for range 3 {
				_, err := device.Heartbeat(t.Context(), alive)
				require.NoError(t, err)
				time.Sleep(30 * 24 * time.Hour)
			}
			require.Equal(t, 1, logins.count(), "the login is kept until it is refused")
		})
	}
}

func TestLogin_ContinuesAfterACancelledCall(t *testing.T) {
	t.Parallel()
	started, release := make(chan struct{}), make(chan struct{})
	logins := &loginServer{}
	device := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/device/auth" {
			close(started)
			<-release
		}
		logins.ServeHTTP(w, r)
	}).Device(deviceID, deviceSecret)

	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := device.Heartbeat(ctx, alive); first <- err }()
	<-started
	go func() { _, err := device.Heartbeat(t.Context(), alive); second <- err }()

	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	close(release)
	require.NoError(t, <-second)
	require.Equal(t, 1, logins.count())
}

func TestLogout_EndsTheLogin(t *testing.T) {
	t.Parallel()
	var ended []string
	logins := &loginServer{handler: func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			ended = append(ended, r.Header.Get("Authorization"))
			w.WriteHeader(http.StatusNoContent)
			return
		}
		writeJSON(w, http.StatusOK, fieldgate.HeartbeatReply{})
	}}
	device := serve(t, logins.ServeHTTP).Device(deviceID, deviceSecret)

	require.NoError(t, device.Logout(t.Context()))
	require.Zero(t, logins.count(), "there was no login to end")

	_, err := device.Heartbeat(t.Context(), alive)
	require.NoError(t, err)
	require.NoError(t, device.Logout(t.Context()))
	require.Equal(t, []string{"Bearer token-1"}, ended)

	_, err = device.Heartbeat(t.Context(), alive)
	require.NoError(t, err)
	require.Equal(t, 2, logins.count(), "the next call logs in again")
}

func TestLogout_FailureKeepsTheLogin(t *testing.T) {
	t.Parallel()
	logins := &loginServer{handler: func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			writeProblem(w, http.StatusServiceUnavailable, fieldgate.CodeStoreUnavailable)
			return
		}
		writeJSON(w, http.StatusOK, fieldgate.HeartbeatReply{})
	}}
	device := serve(t, logins.ServeHTTP).Device(deviceID, deviceSecret)
	_, err := device.Heartbeat(t.Context(), alive)
	require.NoError(t, err)

	require.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(device.Logout(t.Context())))
	_, err = device.Heartbeat(t.Context(), alive)
	require.NoError(t, err)
	require.Equal(t, 1, logins.count())
}

// concurrently runs call n times at the same time, and returns the errors of all calls.
func concurrently(n int, call func() error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = call() })
	}
	wg.Wait()
	return errs
}
