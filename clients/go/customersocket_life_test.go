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

func TestASlowReaderHoldsTheGatewayBackAndLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const events, queued = 5000, 10
		var pushed atomic.Int32
		station := &station{script: func(n int, p *peer) {
			var last int
			if w := p.admit(p.next()); w.Since != "" {
				_, _ = fmt.Sscanf(w.Since, "1000-%d", &last)
			}
			for i := last + 1; i <= events; i++ {
				_ = p.ws.SetWriteDeadline(time.Now().Add(10 * time.Second))
				p.push("event", happened("tenant", fmt.Sprint("1000-", i)))
				pushed.Store(int32(i))
				if i == 3000 && n < 5 {
					return // cut, with much on its way
				}
			}
			p.wait()
		}}
		socket := customer(t, bubble(t, station), fieldgate.CustomerSocketConfig{MaxQueued: queued})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		time.Sleep(5 * time.Second)
		require.Less(t, pushed.Load(), int32(1500), "what was sent is in the queue or on the wire")
		for i, event := range take(t, socket, events) {
			require.Equal(t, fmt.Sprint("1000-", i+1), event.Offset)
			if i%1000 == 0 {
				time.Sleep(30 * time.Second)
			}
		}
	})
}

func TestASocketEndsThoughNobodyReadsItsEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		station := &station{script: func(_ int, p *peer) {
			p.admit(p.next())
			time.Sleep(time.Second)
			for i := range 100 {
				p.push("event", happened("tenant", fmt.Sprint("1000-", i+1)))
			}
			p.wait()
		}}
		socket := customer(t, bubble(t, station), fieldgate.CustomerSocketConfig{MaxQueued: 1})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		time.Sleep(2 * time.Second)
		start := time.Now()
		socket.Close()
		<-socket.Done()
		require.LessOrEqual(t, time.Since(start), time.Second)
	})
}

func TestWhoReadsTheEventsMayUseTheSocket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const events = 200
		station := &station{script: func(_ int, p *peer) {
			p.admit(p.next())
			for i := range events {
				p.push("event", happened("tenant", fmt.Sprint("1000-", i+1)))
			}
			p.serve(func(m message) { p.admit(m) })
		}}
		socket := customer(t, bubble(t, station), fieldgate.CustomerSocketConfig{MaxQueued: 5})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		start, seen := time.Now(), 0
		for event, err := range socket.Events(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint("1000-", seen+1), event.Offset)
			if seen++; seen == 3 {
				subscribe(t, socket, "session:x", "") // its answer comes after all events
			}
			if seen == events {
				break
			}
		}
		require.Less(t, time.Since(start), time.Second)
	})
}

func TestTheEventsHaveAClearEnd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(*fieldgate.CustomerSocket, context.CancelFunc)
		code fieldgate.CloseCode
		want error
	}{
		"closed":                    {end: func(s *fieldgate.CustomerSocket, _ context.CancelFunc) { s.Close() }},
		"the context of the socket": {end: func(_ *fieldgate.CustomerSocket, cancel context.CancelFunc) { cancel() }},
		"ended by the gateway":      {code: fieldgate.CloseWithdrawn, want: &fieldgate.CloseError{Code: fieldgate.CloseWithdrawn}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				station := &station{script: func(_ int, p *peer) {
					p.admit(p.next())
					p.push("event", happened("tenant", "1000-1"))
					p.push("event", happened("tenant", "1000-2"))
					if test.code != 0 {
						time.Sleep(time.Second)
						p.close(test.code, "")
					}
					p.wait()
				}}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				socket := bubble(t, station).Customer(fieldgate.Bearer("a JWT")).Connect(ctx, fieldgate.CustomerSocketConfig{})
				subscribe(t, socket, fieldgate.TenantRoom, "")
				require.Len(t, take(t, socket, 1), 1)
				synctest.Wait()
				if test.end != nil {
					test.end(socket, cancel)
				}
				<-socket.Done()
				var told []string
				var last error
				for event, err := range socket.Events(t.Context()) {
					if last = err; err == nil {
						told = append(told, event.Offset)
					}
				}
				require.Equal(t, []string{"1000-2"}, told, "what was read is given first")
				require.Equal(t, test.want, last)
			})
		})
	}
}

func TestALoopOverTheEventsEndsWithItsContextAndAnotherGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		station := &station{script: func(_ int, p *peer) {
			p.admit(p.next())
			time.Sleep(time.Minute)
			p.push("event", happened("tenant", "1000-1"))
			p.wait()
		}}
		socket := customer(t, bubble(t, station), fieldgate.CustomerSocketConfig{})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var errs []error
		for _, err := range socket.Events(ctx) {
			errs = append(errs, err)
		}
		require.Len(t, errs, 1)
		require.ErrorIs(t, errs[0], context.DeadlineExceeded)
		require.Equal(t, []string{"1000-1"}, offsets(take(t, socket, 1)))
	})
}

// minting gives a source with a new token for each time it is asked; script may change
// what the nth asking gives.
func minting(script func(n int) (string, error)) (source fieldgate.TokenSource, asked *atomic.Int32) {
	asked = new(atomic.Int32)
	return func(context.Context) (string, error) { return script(int(asked.Add(1))) }, asked
}

func last[T any](all []T) T { return all[len(all)-1] }

func TestATokenThatIsAboutToExpireIsRenewedInPlace(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source func(n int) (string, error)
		within time.Duration
		want   string
		asked  int32
	}{
		"at once": {func(n int) (string, error) { return fmt.Sprint("token-", n), nil }, 0, "token-2", 2},
		"when the source has another one": {func(n int) (string, error) {
			return fmt.Sprint("token-", n/4), nil
		}, 20 * time.Second, "token-1", 4},
		"when the source works again": {func(n int) (string, error) {
			if n == 2 {
				return "", errors.New("the issuer is down")
			}
			return fmt.Sprint("token-", n), nil
		}, 10 * time.Second, "token-3", 3},
		"when the gateway takes it": {func(n int) (string, error) { return fmt.Sprint("token-", n), nil }, 10 * time.Second, "token-3", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var sent notes[string]
				var after notes[time.Duration]
				station := &station{script: func(_ int, p *peer) {
					p.push("token_expiring", map[string]string{"expiresAt": "2025-11-22T20:15:04.120Z"})
					start := time.Now()
					p.serve(func(m message) {
						after.add(time.Since(start))
						if sent.add(string(m.Data)) == 1 && name == "when the gateway takes it" {
							p.refuse(m, http.StatusServiceUnavailable, fieldgate.CodeIssuerUnavailable)
							return
						}
						p.reply(m, map[string]string{"expiresAt": "2025-11-22T21:15:04.120Z"})
					})
				}}
				source, asked := minting(test.source)
				socket := bubble(t, station).Customer(source).Connect(t.Context(), fieldgate.CustomerSocketConfig{})
				time.Sleep(time.Minute)
				require.JSONEq(t, `{"token":"`+test.want+`"}`, last(sent.list()))
				require.Equal(t, test.within, last(after.list()))
				require.Equal(t, test.asked, asked.Load())
				require.Equal(t, 1, station.count())
				socket.Close()
				<-socket.Done()
			})
		})
	}
}

func TestAnExpiredTokenLeadsToANewOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		station := &station{script: func(n int, p *peer) {
			if n == 1 {
				p.close(fieldgate.CloseExpired, "token expired")
				return
			}
			p.admit(p.next())
			p.wait()
		}}
		source, _ := minting(func(n int) (string, error) { return fmt.Sprint("token-", n), nil })
		socket := bubble(t, station).Customer(source).Connect(t.Context(), fieldgate.CustomerSocketConfig{})
		time.Sleep(time.Second)
		subscribe(t, socket, fieldgate.TenantRoom, "")
		require.Equal(t, []string{"Bearer token-1", "Bearer token-2"}, station.tokens())
		socket.Close()
		<-socket.Done()
	})
}

func TestATokenSourceIsAskedOnceMoreAfterA401(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source func(n int) (string, error)
		good   string
		ends   bool
		tries  int
	}{
		"another token":         {func(n int) (string, error) { return fmt.Sprint("token-", n), nil }, "token-2", false, 2},
		"another bad one":       {func(n int) (string, error) { return fmt.Sprint("token-", n), nil }, "token-3", true, 2},
		"the same one":          {func(int) (string, error) { return "token-1", nil }, "token-2", true, 1},
		"a refusal, of another": {func(n int) (string, error) { return fmt.Sprint("token-", n), refusalOf(n) }, "none", true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				station := &station{
					script: func(_ int, p *peer) { p.wait() },
					handshake: func(_ int, w http.ResponseWriter, r *http.Request) bool {
						if r.Header.Get("Authorization") == "Bearer "+test.good {
							return false
						}
						refuse(w, http.StatusUnauthorized, fieldgate.CodeUnauthorized)
						return true
					},
				}
				source, _ := minting(test.source)
				socket := bubble(t, station).Customer(source).Connect(t.Context(), fieldgate.CustomerSocketConfig{})
				time.Sleep(30 * time.Second)
				require.Equal(t, test.tries, station.count())
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

// refusalOf gives the refusal of a second asking.
func refusalOf(n int) error {
	if n == 1 {
		return nil
	}
	return &fieldgate.APIError{Problem: fieldgate.Problem{Status: http.StatusUnauthorized, Code: fieldgate.CodeInvalidCredentials}}
}

func TestATokenSourceThatFailsIsAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		station := &station{script: func(_ int, p *peer) {
			p.admit(p.next())
			p.wait()
		}}
		source, _ := minting(func(n int) (string, error) {
			if n < 4 {
				return "", errors.New("the issuer is down")
			}
			return "token", nil
		})
		socket := bubble(t, station).Customer(source).Connect(t.Context(), fieldgate.CustomerSocketConfig{})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		require.Equal(t, 1, station.count())
		socket.Close()
		<-socket.Done()
	})
}

func TestATokenSourceThatNeverAnswersDoesNotHoldTheSocket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}
		var states notes[fieldgate.SocketState]
		socket := bubble(t, &station{}).Customer(hang).Connect(t.Context(), fieldgate.CustomerSocketConfig{
			OnState: func(state fieldgate.SocketState) { states.add(state) },
		})
		time.Sleep(fieldgate.DefaultTimeout + time.Second)
		require.ErrorIs(t, states.list()[0].Err, context.DeadlineExceeded)
		socket.Close()
		<-socket.Done()
	})
}
