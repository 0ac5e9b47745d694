package fieldgate

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
)

// DeviceSocketConfig configures the socket of a device. Its callbacks run one at a time on a
// separate goroutine, and may use the socket. When 64 callbacks wait for a running callback,
// the socket stops reading.
type DeviceSocketConfig struct {
	// OnCommands is called when there may be commands to claim. pending is the number of
	// waiting commands, as counted by the gateway. After each reconnect, OnCommands is called
	// with pending 0, because the number is not known. While a call of OnCommands is queued, no
	// second call is queued. Default: nil, no call.
	OnCommands func(pending int)

	// OnCancel is called when a user requests to cancel a command that the device has claimed.
	// The reason may be empty. If there is no connection, OnCancel is not called: the replies
	// to Heartbeat and Extend then contain the request. Default: nil, no call.
	OnCancel func(commandID, reason string)

	// OnState is called when a connection is established, will soon be closed, or has ended. It
	// is not called for the end of the socket itself: use Done and Err. Default: nil, no call.
	OnState func(SocketState)

	// Transport supplies the certificates, the proxy and the dial functions. Default: the
	// transport of the gateway, see WithTransport.
	Transport *http.Transport
}

// A DeviceSocket makes the calls of a [DeviceClient] over one connection. Over the same
// connection, the gateway announces new commands and requests to cancel a command. A
// DeviceSocket is safe for concurrent use.
//
// It reconnects until its context ends. The delay is random, grows up to a minute, and is at
// least as long as the gateway requests. Apart from its context and Close, only the gateway can
// end the socket: with [CloseWithdrawn], with [CloseSuperseded] when the device has opened
// another socket, or by refusing a handshake or a login with a problem document whose status is
// not 408, 425, 429 or 5xx.
//
// While there is no connection, a call waits. The timeout of a call is the timeout of the
// gateway (WithTimeout). For a Claim, WaitMs is added. A refusal is an [*APIError], as over
// HTTP. If the connection breaks before the reply, the error is [ErrInterrupted].
type DeviceSocket struct {
	socket socket
	config DeviceSocketConfig
	client *DeviceClient

	// pending is zero if no call of OnCommands is queued. Otherwise pending is one more than
	// the argument of the queued call.
	pending atomic.Int64
}

// Connect starts a socket and returns immediately. The socket connects in the background, and
// lasts until the context ends or Close is called. A device has one socket: a newer socket ends
// the older one.
func (d *DeviceClient) Connect(ctx context.Context, config DeviceSocketConfig) *DeviceSocket {
	s := &DeviceSocket{config: config, client: d}
	s.socket.start(ctx, socketConfig{
		requester: d.dialing, path: "api/v1/device/ws", transport: config.Transport,
		onState: config.OnState, onConnect: s.onConnect, onFrame: s.onFrame,
	})
	return s
}

// Close closes the socket in the background and returns immediately. Done is closed when the
// socket has ended.
func (s *DeviceSocket) Close() { s.socket.close() }

// Done returns a channel that is closed when the socket and its goroutines have ended.
func (s *DeviceSocket) Done() <-chan struct{} { return s.socket.done }

// Err returns the reason why the socket has ended: [ErrSocketClosed], the cause of its context,
// a [*CloseError] or an [*APIError]. Err returns nil while the socket is open.
func (s *DeviceSocket) Err() error { return s.socket.err() }

// Claim is [DeviceClient.Claim] over the socket. If ctx ends before the reply, the socket
// releases the claimed commands when the reply arrives. With [WithIdempotencyKey] it does not
// release them, because the same call can be repeated.
func (s *DeviceSocket) Claim(ctx context.Context, claim ClaimRequest, options ...CallOption) ([]ClaimedCommand, error) {
	key := newCallOptions(options).idempotencyKey
	data, err := encodeData(struct {
		ClaimRequest
		IdempotencyKey string `json:"idempotencyKey,omitempty"`
	}{claim, key})
	if err != nil {
		return nil, err
	}
	r := request{kind: "claim", data: data, wait: milliseconds(claim.WaitMs)}
	if key == "" {
		r.onLateReply = s.releaseAll
	}
	claimed, err := callSocket[claimedCommands](ctx, &s.socket, r)
	return claimed.Commands, err
}

// Extend is [DeviceClient.Extend] over the socket.
func (s *DeviceSocket) Extend(ctx context.Context, commandID string, extension ExtendRequest) (Lease, error) {
	return callDevice[Lease](ctx, s, "extend", struct {
		CommandID string `json:"commandId"`
		ExtendRequest
	}{commandID, extension})
}

// ReportProgress is [DeviceClient.ReportProgress] over the socket. A report of more than 16 KiB is
// sent over HTTP.
func (s *DeviceSocket) ReportProgress(ctx context.Context, commandID string, progress ProgressRequest) (ProgressReply, error) {
	fields := struct {
		CommandID string `json:"commandId"`
		ProgressRequest
	}{commandID, progress}
	return callUnlessLarge(ctx, s, "progress", fields, func() (ProgressReply, error) {
		return s.client.ReportProgress(ctx, commandID, progress)
	})
}

// Release is [DeviceClient.Release] over the socket.
func (s *DeviceSocket) Release(ctx context.Context, commandID string, release ReleaseRequest) (ReleasedCommand, error) {
	return callDevice[ReleasedCommand](ctx, s, "release", releaseData{commandID, release})
}

type releaseData struct {
	CommandID string `json:"commandId"`
	ReleaseRequest
}

// maxResultFrame is the maximum size of the data of a result, or of a report of progress, that is
// sent as a frame. On a slow link, a larger frame would delay the pongs behind it until the gateway
// closes the socket with [CloseSilent].
const maxResultFrame = 16 << 10

// SubmitResult is [DeviceClient.SubmitResult] over the socket. A result of more than 16 KiB is
// sent over HTTP.
func (s *DeviceSocket) SubmitResult(ctx context.Context, commandID string, result ResultRequest) (RecordedResult, error) {
	result = TruncateResult(result)
	fields := struct {
		CommandID string `json:"commandId"`
		ResultRequest
	}{commandID, result}
	return callUnlessLarge(ctx, s, "result", fields, func() (RecordedResult, error) {
		return s.client.SubmitResult(ctx, commandID, result)
	})
}

// Heartbeat is [DeviceClient.Heartbeat] over the socket.
func (s *DeviceSocket) Heartbeat(ctx context.Context, heartbeat HeartbeatRequest) (HeartbeatReply, error) {
	return callDevice[HeartbeatReply](ctx, s, "heartbeat", heartbeat)
}

// callUnlessLarge sends a request like callDevice, unless its data is too large for a frame. It then
// calls overHTTP.
func callUnlessLarge[T any](ctx context.Context, s *DeviceSocket, kind string, fields any, overHTTP func() (T, error)) (reply T, err error) {
	data, err := encodeData(fields)
	switch {
	case errors.Is(err, errFrameTooLarge) || len(data) > maxResultFrame:
		return overHTTP()
	case err != nil:
		return reply, err
	}
	return callSocket[T](ctx, &s.socket, request{kind: kind, data: data})
}

// callDevice sends a request that the gateway replies to immediately, and returns the reply.
func callDevice[T any](ctx context.Context, s *DeviceSocket, kind string, fields any) (T, error) {
	data, err := encodeData(fields)
	if err != nil {
		var zero T
		return zero, err
	}
	return callSocket[T](ctx, &s.socket, request{kind: kind, data: data})
}

// releaseAll releases the commands in the reply to a Claim whose caller no longer waits.
// Otherwise no device could claim the commands until their leases end.
func (s *DeviceSocket) releaseAll(c *conn, data json.RawMessage) {
	var claimed claimedCommands
	if json.Unmarshal(data, &claimed) != nil {
		return
	}
	for _, command := range claimed.Commands {
		data, err := encodeData(releaseData{command.ID, ReleaseRequest{
			ClaimToken: command.ClaimToken, Reason: "the claim was abandoned",
		}})
		if err != nil {
			continue
		}
		s.socket.workers.Go(func() { _, _ = c.call(c.ctx, request{kind: "release", data: data}) })
	}
}

// onConnect calls OnCommands, because commands may have arrived while there was no connection.
func (s *DeviceSocket) onConnect(*conn) { s.notifyCommands(0) }

// onFrame handles a frame that is not a reply. It ignores frames of an unknown type, which
// later versions may send.
func (s *DeviceSocket) onFrame(_ *conn, f frame) error {
	switch f.Type {
	case "commands.available":
		return s.onAvailable(f.Data)
	case "command.cancel":
		return s.onCancel(f.Data)
	}
	return nil
}

func (s *DeviceSocket) onAvailable(data json.RawMessage) error {
	var available struct {
		Pending int `json:"pending"`
	}
	if json.Unmarshal(data, &available) != nil {
		return errInvalidFrame
	}
	s.notifyCommands(max(available.Pending, 0))
	return nil
}

// notifyCommands queues a call of OnCommands. If a call is already queued, it updates the
// argument of that call.
func (s *DeviceSocket) notifyCommands(pending int) {
	if s.config.OnCommands == nil || s.pending.Swap(int64(pending)+1) != 0 {
		return
	}
	s.socket.callbacks.push(func() { s.config.OnCommands(int(s.pending.Swap(0) - 1)) })
}

func (s *DeviceSocket) onCancel(data json.RawMessage) error {
	var cancel struct {
		CommandID string `json:"commandId"`
		Reason    string `json:"reason"`
	}
	if json.Unmarshal(data, &cancel) != nil {
		return errInvalidFrame
	}
	if s.config.OnCancel != nil {
		s.socket.callbacks.push(func() { s.config.OnCancel(cancel.CommandID, cancel.Reason) })
	}
	return nil
}
