package fieldgate_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

func TestEvents_SlowLoopLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const events, queued = 5000, 10
		var pushed atomic.Int32
		server := &socketServer{script: func(n int, c *serverConn) {
			var last int
			if w := c.acceptSubscribe(c.read()); w.Since != "" {
				_, _ = fmt.Sscanf(w.Since, "1000-%d", &last)
			}
			for i := last + 1; i <= events; i++ {
				_ = c.ws.SetWriteDeadline(time.Now().Add(10 * time.Second))
				c.pushEvent("tenant", fmt.Sprint("1000-", i))
				pushed.Store(int32(i))
				if i == 3000 && n < 5 {
					return // the connection is cut while events are unread
				}
			}
			c.wait()
		}}
		socket := connectCustomer(t, memoryGateway(t, server), fieldgate.CustomerSocketConfig{MaxQueued: queued})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		time.Sleep(5 * time.Second)
		require.Less(t, pushed.Load(), int32(1500), "the events are in the queue or in buffers")
		for i, event := range takeEvents(t, socket, events) {
			require.Equal(t, fmt.Sprint("1000-", i+1), event.Offset)
			if i%1000 == 0 {
				time.Sleep(30 * time.Second)
			}
		}
	})
}

func TestClose_WithUnreadEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &socketServer{script: func(_ int, c *serverConn) {
			c.acceptSubscribe(c.read())
			time.Sleep(time.Second)
			for i := range 100 {
				c.pushEvent("tenant", fmt.Sprint("1000-", i+1))
			}
			c.wait()
		}}
		socket := connectCustomer(t, memoryGateway(t, server), fieldgate.CustomerSocketConfig{MaxQueued: 1})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		time.Sleep(2 * time.Second)
		start := time.Now()
		socket.Close()
		<-socket.Done()
		require.LessOrEqual(t, time.Since(start), time.Second)
	})
}

func TestEvents_LoopMayCallTheSocket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const events = 200
		server := &socketServer{script: func(_ int, c *serverConn) {
			c.acceptSubscribe(c.read())
			for i := range events {
				c.pushEvent("tenant", fmt.Sprint("1000-", i+1))
			}
			c.serve(func(m message) { c.acceptSubscribe(m) })
		}}
		socket := connectCustomer(t, memoryGateway(t, server), fieldgate.CustomerSocketConfig{MaxQueued: 5})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		start, seen := time.Now(), 0
		for event, err := range socket.Events(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint("1000-", seen+1), event.Offset)
			if seen++; seen == 3 {
				subscribe(t, socket, "session:x", "") // the reply to subscribe arrives after all events
			}
			if seen == events {
				break
			}
		}
		require.Less(t, time.Since(start), time.Second)
	})
}

func TestEvents_End(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(*fieldgate.CustomerSocket, context.CancelFunc)
		code fieldgate.CloseCode
		want error
	}{
		"Close":                     {end: func(s *fieldgate.CustomerSocket, _ context.CancelFunc) { s.Close() }},
		"the context of the socket": {end: func(_ *fieldgate.CustomerSocket, cancel context.CancelFunc) { cancel() }},
		"closed by the gateway":     {code: fieldgate.CloseWithdrawn, want: &fieldgate.CloseError{Code: fieldgate.CloseWithdrawn}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := &socketServer{script: func(_ int, c *serverConn) {
					c.acceptSubscribe(c.read())
					c.pushEvent("tenant", "1000-1")
					c.pushEvent("tenant", "1000-2")
					if test.code != 0 {
						time.Sleep(time.Second)
						c.close(test.code, "")
					}
					c.wait()
				}}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				socket := memoryGateway(t, server).Customer(fieldgate.Bearer("a JWT")).Connect(ctx, fieldgate.CustomerSocketConfig{})
				subscribe(t, socket, fieldgate.TenantRoom, "")
				require.Len(t, takeEvents(t, socket, 1), 1)
				synctest.Wait()
				if test.end != nil {
					test.end(socket, cancel)
				}
				<-socket.Done()
				var received []string
				var last error
				for event, err := range socket.Events(t.Context()) {
					if last = err; err == nil {
						received = append(received, event.Offset)
					}
				}
				require.Equal(t, []string{"1000-2"}, received, "events that were received come first")
				require.Equal(t, test.want, last)
			})
		})
	}
}

func TestEvents_LoopEndsWithItsContextAndAnotherContinues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &socketServer{script: func(_ int, c *serverConn) {
			c.acceptSubscribe(c.read())
			time.Sleep(time.Minute)
			c.pushEvent("tenant", "1000-1")
			c.wait()
		}}
		socket := connectCustomer(t, memoryGateway(t, server), fieldgate.CustomerSocketConfig{})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var errs []error
		for _, err := range socket.Events(ctx) {
			errs = append(errs, err)
		}
		require.Len(t, errs, 1)
		require.ErrorIs(t, errs[0], context.DeadlineExceeded)
		require.Equal(t, []string{"1000-1"}, offsets(takeEvents(t, socket, 1)))
	})
}

// countingSource returns a token source whose nth call returns script(n), and a counter of the
// calls.
func countingSource(script func(n int) (string, error)) (source fieldgate.TokenSource, calls *atomic.Int32) {
	calls = new(atomic.Int32)
	return func(context.Context) (string, error) { return script(int(calls.Add(1))) }, calls
}

func last[T any](all []T) T { return all[len(all)-1] }

func TestCustomerSocket_RenewsItsToken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source func(n int) (string, error)
		within time.Duration
		want   string
		calls  int32
	}{
		"at once": {func(n int) (string, error) { return fmt.Sprint("token-", n), nil }, 0, "token-2", 2},
		"when the source returns another token": {func(n int) (string, error) {
			return fmt.Sprint("token-", n/4), nil
		}, 20 * time.Second, "token-1", 4},
		"when the source works again": {func(n int) (string, error) {
			if n == 2 {
				return "", errors.New("the issuer is down")
			}
			return fmt.Sprint("token-", n), nil
		}, 10 * time.Second, "token-3", 3},
		"when the gateway accepts it": {func(n int) (string, error) { return fmt.Sprint("token-", n), nil }, 10 * time.Second, "token-3", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var sent recorder[string]
				var after recorder[time.Duration]
				server := &socketServer{script: func(_ int, c *serverConn) {
					c.push("token_expiring", map[string]string{"expiresAt": "2025-11-22T20:15:04.120Z"})
					start := time.Now()
					c.serve(func(m message) {
						after.add(time.Since(start))
						if sent.add(string(m.Data)) == 1 && name == "when the gateway accepts it" {
							c.refuse(m, http.StatusServiceUnavailable, fieldgate.CodeIssuerUnavailable)
							return
						}
						c.reply(m, map[string]string{"expiresAt": "2025-11-22T21:15:04.120Z"})
					})
				}}
				source, calls := countingSource(test.source)
				socket := memoryGateway(t, server).Customer(source).Connect(t.Context(), fieldgate.CustomerSocketConfig{})
				time.Sleep(time.Minute)
				require.JSONEq(t, `{"token":"`+test.want+`"}`, last(sent.list()))
				require.Equal(t, test.within, last(after.list()))
				require.Equal(t, test.calls, calls.Load())
				require.Equal(t, 1, server.count())
				socket.Close()
				<-socket.Done()
			})
		})
	}
}

func TestCustomerSocket_ReplacesAnExpiredToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &socketServer{script: func(n int, c *serverConn) {
			if n == 1 {
				c.close(fieldgate.CloseExpired, "token expired")
				return
			}
			c.acceptSubscribe(c.read())
			c.wait()
		}}
		source, _ := countingSource(func(n int) (string, error) { return fmt.Sprint("token-", n), nil })
		socket := memoryGateway(t, server).Customer(source).Connect(t.Context(), fieldgate.CustomerSocketConfig{})
		time.Sleep(time.Second)
		subscribe(t, socket, fieldgate.TenantRoom, "")
		require.Equal(t, []string{"Bearer token-1", "Bearer token-2"}, server.tokens())
		socket.Close()
		<-socket.Done()
	})
}

func TestTokenSource_CalledOnceMoreAfter401(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source func(n int) (string, error)
		valid  string
		ends   bool
		dials  int
	}{
		"another token":         {func(n int) (string, error) { return fmt.Sprint("token-", n), nil }, "token-2", false, 2},
		"another invalid token": {func(n int) (string, error) { return fmt.Sprint("token-", n), nil }, "token-3", true, 2},
		"the same token":        {func(int) (string, error) { return "token-1", nil }, "token-2", true, 1},
		"an APIError":           {func(n int) (string, error) { return fmt.Sprint("token-", n), refuseSecond(n) }, "none", true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := &socketServer{
					script: func(_ int, c *serverConn) { c.wait() },
					handshake: func(_ int, w http.ResponseWriter, r *http.Request) bool {
						if r.Header.Get("Authorization") == "Bearer "+test.valid {
							return false
						}
						writeProblem(w, http.StatusUnauthorized, fieldgate.CodeUnauthorized)
						return true
					},
				}
				source, _ := countingSource(test.source)
				socket := memoryGateway(t, server).Customer(source).Connect(t.Context(), fieldgate.CustomerSocketConfig{})
				time.Sleep(30 * time.Second)
				require.Equal(t, test.dials, server.count())
				if test.ends {
					require.Equal(t, http.StatusUnauthorized, statusOf(t, socket.Err()))
				} else {
					require.NoError(t, socket.Err())
				}
				socket.Close()
				<-socket.Done()
			})
		})
	}
}

// refuseSecond returns the error of call n of a token source. Only call 1 succeeds.
func refuseSecond(n int) error {
	if n == 1 {
		return nil
	}
	return &fieldgate.APIError{Problem: fieldgate.Problem{Status: http.StatusUnauthorized, Code: fieldgate.CodeInvalidCredentials}}
}

func TestTokenSource_CalledAgainAfterAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &socketServer{script: func(_ int, c *serverConn) {
			c.acceptSubscribe(c.read())
			c.wait()
		}}
		source, _ := countingSource(func(n int) (string, error) {
			if n < 4 {
				return "", errors.New("the issuer is down")
			}
			return "token", nil
		})
		socket := memoryGateway(t, server).Customer(source).Connect(t.Context(), fieldgate.CustomerSocketConfig{})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		require.Equal(t, 1, server.count())
		socket.Close()
		<-socket.Done()
	})
}

func TestTokenSource_TimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}
		var states recorder[fieldgate.SocketState]
		socket := memoryGateway(t, &socketServer{}).Customer(hang).Connect(t.Context(), fieldgate.CustomerSocketConfig{
			OnState: func(state fieldgate.SocketState) { states.add(state) },
		})
		time.Sleep(fieldgate.DefaultTimeout + time.Second)
		require.ErrorIs(t, states.list()[0].Err, context.DeadlineExceeded)
		socket.Close()
		<-socket.Done()
	})
}
