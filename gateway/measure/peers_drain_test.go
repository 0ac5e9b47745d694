package measure

import (
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// drain measures a claim with its result. Each caller first proposes its backlog, which is not
// measured. The function f then returns a function that claims and finishes a command, and one
// that ends its connection.
func (b *peersBench) drain(f func(c *caller, t testing.TB, at child) (next func() error, end func())) cost {
	b.t.Helper()
	nexts, ends := make([]func() error, len(b.callers)), make([]func(), len(b.callers))
	each(b.callers, func(c *caller) {
		i := slices.Index(b.callers, c)
		nexts[i], ends[i] = f(c, b.t, b.gateway)
		for range b.size.backlog {
			if err := c.propose(b.gateway.URL); err != nil {
				b.t.Error(err)
			}
		}
	})
	before := cost{cpuTime(b.t, b.gateway.pid), b.redis.cpuTime(b.t)}
	var n atomic.Int64
	each(b.callers, func(c *caller) {
		next := nexts[slices.Index(b.callers, c)]
		for range b.size.backlog {
			if err := next(); err != nil {
				b.t.Error(err)
				return
			}
			n.Add(1)
		}
	})
	after := cost{cpuTime(b.t, b.gateway.pid), b.redis.cpuTime(b.t)}
	for _, end := range ends {
		end()
	}
	require.NotZero(b.t, n.Load())
	count := time.Duration(n.Load())
	return cost{(after.server - before.server) / count, (after.redis - before.redis) / count}
}

// propose proposes a command for the caller's device.
func (c *caller) propose(url string) error {
	request := proposal{Type: "diagnostic.dns", Parameters: json.RawMessage(`{"host":"example.com"}`)}
	return c.post(url+"/api/v1/customer/sessions/"+c.session+"/commands", c.userToken, request, nil)
}

var errNoCommand = errors.New("a claim returned no command")

// drainHTTP claims and finishes commands over HTTP.
func (c *caller) drainHTTP(_ testing.TB, at child) (next func() error, end func()) {
	return func() error {
		var got claimed
		if err := c.post(at.URL+"/api/v1/device/commands/claim", c.loginToken, struct{}{}, &got); err != nil {
			return err
		}
		if len(got.Commands) != 1 {
			return errNoCommand
		}
		done := result{ClaimToken: got.Commands[0].ClaimToken, Status: "succeeded", Output: "done"}
		return c.post(at.URL+"/api/v1/device/commands/"+got.Commands[0].ID+"/result", c.loginToken, done, nil)
	}, func() {}
}

// drainSocket finishes commands over a socket. Each result claims the next command.
func (c *caller) drainSocket(t testing.TB, at child) (next func() error, end func()) {
	t.Helper()
	gate, err := client.New(at.URL)
	if err != nil {
		t.Error(err)
	}
	socket := gate.DeviceWithToken(client.Bearer(c.loginToken)).Connect(t.Context(), client.DeviceSocketConfig{})
	var claimed []client.ClaimedCommand
	next = func() (err error) {
		if len(claimed) == 0 {
			if claimed, err = socket.Claim(t.Context(), client.ClaimRequest{}); err != nil {
				return err
			}
		}
		if len(claimed) != 1 {
			return errNoCommand
		}
		recorded, err := socket.SubmitResult(t.Context(), claimed[0].ID, client.ResultRequest{
			ClaimToken: claimed[0].ClaimToken, Status: "succeeded", Output: "done", Next: true,
		})
		claimed = recorded.Commands
		return err
	}
	return next, func() {
		socket.Close()
		<-socket.Done()
	}
}
