package fieldgate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
)

// DeviceSocketConfig says what a device's socket tells. Its callbacks are called one after
// the other, on a goroutine of their own, and may use the socket. While one takes its
// time, the next ones wait; when 64 do, nothing more is read.
type DeviceSocketConfig struct {
	// OnWork is called when there is something to claim, or may be: pending is the number
	// of commands that the gateway has counted, and 0 after each connecting, when nobody
	// has. As long as one call waits for those before it, there is no second one.
	// Default: nothing is called.
	OnWork func(pending int)

	// OnCancel is called when somebody wants a command stopped that the device has claimed.
	// The reason may be empty. What was wanted while there was no connection, the replies
	// to Heartbeat and Extend tell. Default: nothing is called.
	OnCancel func(commandID, reason string)

	// OnState is called when a connection comes, is about to go, and has gone. The end of
	// the socket itself is told by Done and Err. Default: nothing is called.
	OnState func(SocketState)

	// Transport says how to connect: its certificates, proxy and dialers are used.
	// Default: the one of the gateway, see WithTransport.
	Transport *http.Transport
}

// A DeviceSocket does over one connection what a [DeviceClient] does over many, and is
// told at once of new commands and of those to be stopped. It is safe for concurrent use.
//
// It connects again when the connection is lost, for as long as its context lasts, after
// a wait that is random, longer each time up to a minute, and at least as long as the
// gateway asks for. What ends it is the gateway alone: with [CloseWithdrawn], or
// [CloseSuperseded] when the device has opened another socket, or with the refusal of a
// handshake or login, unless that is passing: 429 and 5xx are.
//
// Calls wait for a connection when there is none. They end after the timeout of the
// gateway (WithTimeout), a Claim after its WaitMs more. What is refused is an [*APIError],
// as over HTTP; if the connection breaks before the answer comes, the error is
// [ErrInterrupted].
type DeviceSocket struct {
	socket socket
	config DeviceSocketConfig
	device *DeviceClient

	// pending is one more than what OnWork is about to be told, zero if nothing.
	pending atomic.Int64
}

// Connect opens a socket that lasts until the context ends or it is closed. It returns at
// once: the socket connects by itself. A device has one socket; a newer one ends it.
func (d *DeviceClient) Connect(ctx context.Context, config DeviceSocketConfig) *DeviceSocket {
	s := &DeviceSocket{config: config, device: d}
	s.socket.start(ctx, socketConfig{
		connection: d.handshakes, path: "api/v1/device/ws", transport: config.Transport,
		onState: config.OnState, welcomed: s.welcomed, pushed: s.pushed,
	})
	return s
}

// Close says goodbye and ends the socket. It does not wait: Done tells when it is over.
func (s *DeviceSocket) Close() { s.socket.close() }

// Done is closed when the socket has ended, with all that belongs to it.
func (s *DeviceSocket) Done() <-chan struct{} { return s.socket.done }

// Err tells why the socket has ended: [ErrSocketClosed], or the context's cause, or a
// [*CloseError] or [*APIError]. It is nil before.
func (s *DeviceSocket) Err() error { return s.socket.err() }

// Claim is [DeviceClient.Claim] over the socket. Commands that come when its context has
// ended are given back, unless it has a WithIdempotencyKey to ask for them again.
func (s *DeviceSocket) Claim(ctx context.Context, claim ClaimRequest, options ...CallOption) ([]ClaimedCommand, error) {
	key, err := s.idempotencyKey(ctx, options)
	if err != nil {
		return nil, err
	}
	data, err := encodeData(struct {
		ClaimRequest
		IdempotencyKey string `json:"idempotencyKey,omitempty"`
	}{claim, key})
	if err != nil {
		return nil, err
	}
	r := request{kind: "claim", data: data, wait: milliseconds(claim.WaitMs)}
	if key == "" {
		r.late = s.giveBack
	}
	claimed, err := ask[ClaimedCommands](ctx, &s.socket, r)
	return claimed.Commands, err
}

// idempotencyKey gives the key that options would set on a request.
func (s *DeviceSocket) idempotencyKey(ctx context.Context, options []CallOption) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.device.connection.server, http.NoBody)
	if err != nil {
		return "", fmt.Errorf("fieldgate: %w", err)
	}
	for _, option := range options {
		if err := option(ctx, req); err != nil {
			return "", err
		}
	}
	return req.Header.Get("Idempotency-Key"), nil
}

// Extend is [DeviceClient.Extend] over the socket.
func (s *DeviceSocket) Extend(ctx context.Context, commandID string, extension ExtendRequest) (Lease, error) {
	return hold[Lease](ctx, s, "extend", struct {
		CommandID string `json:"commandId"`
		ExtendRequest
	}{commandID, extension})
}

// Release is [DeviceClient.Release] over the socket.
func (s *DeviceSocket) Release(ctx context.Context, commandID string, release ReleaseRequest) (ReleasedCommand, error) {
	return hold[ReleasedCommand](ctx, s, "release", releaseFrame{commandID, release})
}

type releaseFrame struct {
	CommandID string `json:"commandId"`
	ReleaseRequest
}

// SubmitResult is [DeviceClient.SubmitResult] over the socket, or over HTTP if the result is too
// large for a frame.
func (s *DeviceSocket) SubmitResult(ctx context.Context, commandID string, outcome ResultRequest) (RecordedResult, error) {
	outcome = Fit(outcome)
	recorded, err := hold[RecordedResult](ctx, s, "result", struct {
		CommandID string `json:"commandId"`
		ResultRequest
	}{commandID, outcome})
	if errors.Is(err, errFrameTooLarge) {
		return s.device.SubmitResult(ctx, commandID, outcome)
	}
	return recorded, err
}

// Heartbeat is [DeviceClient.Heartbeat] over the socket.
func (s *DeviceSocket) Heartbeat(ctx context.Context, heartbeat HeartbeatRequest) (HeartbeatReply, error) {
	return hold[HeartbeatReply](ctx, s, "heartbeat", heartbeat)
}

// hold asks for something that the gateway answers at once.
func hold[T any](ctx context.Context, s *DeviceSocket, kind string, fields any) (T, error) {
	data, err := encodeData(fields)
	if err != nil {
		var none T
		return none, err
	}
	return ask[T](ctx, &s.socket, request{kind: kind, data: data})
}

// giveBack releases the commands of a Claim that nobody waits for any more. Without that,
// they would be nobody's until their leases run out.
func (s *DeviceSocket) giveBack(l *link, data json.RawMessage) {
	var claimed ClaimedCommands
	if json.Unmarshal(data, &claimed) != nil {
		return
	}
	for _, command := range claimed.Commands {
		data, err := encodeData(releaseFrame{command.ID, ReleaseRequest{
			ClaimToken: command.ClaimToken, Reason: "nobody waits for it any more",
		}})
		if err != nil {
			continue
		}
		s.socket.workers.Go(func() { _, _ = l.ask(l.ctx, request{kind: "release", data: data}) })
	}
}

// welcomed has the device look for work that came while it was away.
func (s *DeviceSocket) welcomed(*link) { s.tellWork(0) }

// pushed deals with a frame that nobody asked for. Kinds that are not known are left to
// later versions.
func (s *DeviceSocket) pushed(_ *link, f frame) error {
	switch f.Type {
	case "commands.available":
		return s.available(f.Data)
	case "command.cancel":
		return s.cancel(f.Data)
	}
	return nil
}

func (s *DeviceSocket) available(data json.RawMessage) error {
	var work struct {
		Pending int `json:"pending"`
	}
	if json.Unmarshal(data, &work) != nil {
		return errUnreadable
	}
	s.tellWork(max(work.Pending, 0))
	return nil
}

// tellWork calls OnWork with the newest number.
func (s *DeviceSocket) tellWork(pending int) {
	if s.config.OnWork == nil || s.pending.Swap(int64(pending)+1) != 0 {
		return
	}
	s.socket.callbacks.push(func() { s.config.OnWork(int(s.pending.Swap(0) - 1)) })
}

func (s *DeviceSocket) cancel(data json.RawMessage) error {
	var wanted struct {
		CommandID string `json:"commandId"`
		Reason    string `json:"reason"`
	}
	if json.Unmarshal(data, &wanted) != nil {
		return errUnreadable
	}
	if s.config.OnCancel != nil {
		s.socket.callbacks.push(func() { s.config.OnCancel(wanted.CommandID, wanted.Reason) })
	}
	return nil
}
