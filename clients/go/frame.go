package fieldgate

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// subprotocol is the WebSocket subprotocol of the gateway.
const subprotocol = "fieldgate.v1"

// The limits on the size of a message in bytes. The gateway closes a socket that sends a larger
// message with [CloseTooLarge].
const (
	maxSent     = 64 << 10
	maxReceived = 1 << 20

	// maxEnvelope is an upper bound for the size of a frame without its data.
	maxEnvelope = 320
)

// A frame is a message on a socket, in either direction. It is encoded as JSON.
type frame struct {
	Type        string          `json:"type"`
	RequestID   string          `json:"requestId,omitempty"`
	Traceparent string          `json:"traceparent,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
}

// The types of frames that device sockets and customer sockets share.
const (
	frameWelcome   = "welcome"
	frameReply     = "reply"
	frameError     = "error"
	frameGoingAway = "going_away"
)

// welcome is the data of the first frame that the gateway sends.
type welcome struct {
	ConnectionID   string `json:"connectionId"`
	PingIntervalMs int64  `json:"pingIntervalMs"`

	// Accepts holds the optional fields of frames that the gateway accepts. An earlier gateway accepts
	// none, and refuses frames that have one.
	Accepts []string `json:"accepts"`
}

// The default ping interval of the gateway, and bounds for the interval in the welcome frame.
const (
	defaultPingInterval = 25 * time.Second
	minPingInterval     = time.Second
	maxPingInterval     = 10 * time.Minute
)

// readTimeout returns the silence after which the connection counts as lost. It allows for two
// lost pings and a late third ping.
func (w welcome) readTimeout() time.Duration {
	interval := defaultPingInterval
	if w.PingIntervalMs > 0 {
		interval = min(max(clampedMilliseconds(w.PingIntervalMs), minPingInterval), maxPingInterval)
	}
	return interval * 5 / 2
}

// clampedMilliseconds converts ms to a duration and limits it to the range from zero to one
// day.
func clampedMilliseconds(ms int64) time.Duration {
	const day = 24 * 60 * 60 * 1000
	return time.Duration(min(max(ms, 0), day)) * time.Millisecond
}

var errFrameTooLarge = fmt.Errorf("fieldgate: the data is too large for a frame of at most %d bytes", maxSent)

// encodeData returns value as the data of a frame. It returns an error if the data is too long
// or not UTF-8, because the gateway would close the socket.
func encodeData(value any) (json.RawMessage, error) {
	data, err := json.Marshal(value)
	switch {
	case err != nil:
		return nil, fmt.Errorf("fieldgate: encoding a frame: %w", err)
	case !utf8.Valid(data):
		return nil, errors.New("fieldgate: encoding a frame: the data is not UTF-8")
	case len(data) > maxSent-maxEnvelope:
		return nil, errFrameTooLarge
	}
	return data, nil
}

// err returns the error that an error frame describes, or nil for any other frame.
func (f frame) err() error {
	if f.Type != frameError {
		return nil
	}
	e := &APIError{}
	if err := json.Unmarshal(f.Data, &e.Problem); err != nil {
		e.Detail, e.cause = "the problem document is not valid JSON", err
	}
	if e.Title == "" {
		e.Title = statusTitle(e.Status)
	}
	if e.RequestID == "" {
		e.RequestID = f.RequestID
	}
	return e
}

// maxRequestID is the maximum length of a request id.
const maxRequestID = 128

// newRequestID is the length of a new request id, which has 80 random bits. Each heartbeat and its reply
// have one, so its length shows in what an idle socket costs.
const newRequestID = 16

// requestIDOf returns the request id of the context. If the context has none, or an invalid one,
// it returns a new id, as the gateway does for HTTP requests.
func requestIDOf(ctx context.Context) string {
	if id, ok := ctx.Value(requestIDKey{}).(string); ok && isRequestID(id) {
		return id
	}
	return rand.Text()[:newRequestID]
}

func isRequestID(id string) bool {
	for _, c := range []byte(id) {
		alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alphanumeric && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return id != "" && len(id) <= maxRequestID
}

// maxTraceparent is the maximum length of a traceparent in a frame. That of version 00 has 55 characters.
const maxTraceparent = 64

// traceparentOf returns the traceparent of the context. It returns "" for one that is too long, so that
// it cannot make a frame too large.
func traceparentOf(ctx context.Context) string {
	if traceparent := TraceparentFromContext(ctx); len(traceparent) <= maxTraceparent {
		return traceparent
	}
	return ""
}

// withSuffix returns id with a random suffix. It is used when another call is already using id.
func withSuffix(id string) string {
	suffix := "." + rand.Text()
	return id[:min(len(id), maxRequestID-len(suffix))] + suffix
}
