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

// subprotocol is what is spoken over a socket.
const subprotocol = "fieldgate.v1"

// How long a message may be, in bytes. The gateway closes a socket over a longer one
// (CloseTooLarge), so that is not sent.
const (
	maxSent     = 64 << 10
	maxReceived = 1 << 20

	// maxEnvelope is more than a frame has around its data.
	maxEnvelope = 256
)

// A frame is what goes over a socket, in both directions: JSON text.
type frame struct {
	Type      string          `json:"type"`
	RequestID string          `json:"requestId,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
}

// Types of frames that both sockets have.
const (
	frameWelcome   = "welcome"
	frameReply     = "reply"
	frameError     = "error"
	frameGoingAway = "going_away"
)

// welcome is the data of the first frame.
type welcome struct {
	ConnectionID   string `json:"connectionId"`
	PingIntervalMs int64  `json:"pingIntervalMs"`
}

// How often the gateway gives a sign of life, if what it says cannot be meant.
const (
	usualPing    = 25 * time.Second
	shortestPing = time.Second
	longestPing  = 10 * time.Minute
)

// silence is how long the gateway may say nothing before it counts as gone: two signs of
// life may be lost, and the third late.
func (w welcome) silence() time.Duration {
	interval := usualPing
	if w.PingIntervalMs > 0 {
		interval = min(max(span(w.PingIntervalMs), shortestPing), longestPing)
	}
	return interval * 5 / 2
}

// span makes a duration of milliseconds, whatever number somebody has sent.
func span(ms int64) time.Duration {
	const day = 24 * 60 * 60 * 1000
	return time.Duration(min(max(ms, 0), day)) * time.Millisecond
}

var errFrameTooLarge = fmt.Errorf("fieldgate: the data is too large for a frame, which may have %d bytes", maxSent)

// encodeData writes the data of a frame, if the gateway would take it: both too long a
// frame and text that is not UTF-8 would cost the socket.
func encodeData(value any) (json.RawMessage, error) {
	data, err := json.Marshal(value)
	switch {
	case err != nil:
		return nil, fmt.Errorf("fieldgate: writing a frame: %w", err)
	case !utf8.Valid(data):
		return nil, errors.New("fieldgate: writing a frame: the data is not UTF-8")
	case len(data) > maxSent-maxEnvelope:
		return nil, errFrameTooLarge
	}
	return data, nil
}

// refusal gives the error in an answer, none if it is a reply.
func (f frame) refusal() error {
	if f.Type != frameError {
		return nil
	}
	e := &APIError{}
	if err := json.Unmarshal(f.Data, &e.Problem); err != nil {
		e.Detail, e.cause = "the problem document is not valid JSON", err
	}
	if e.Title == "" {
		e.Title = title(e.Status)
	}
	if e.RequestID == "" {
		e.RequestID = f.RequestID
	}
	return e
}

// maxRequestID is how long a request id may be.
const maxRequestID = 128

// requestIDOf gives the request id that the caller has chosen, or a new one. One that the
// gateway would not take is replaced, as the gateway does in requests.
func requestIDOf(ctx context.Context) string {
	if id, ok := ctx.Value(requestIDKey{}).(string); ok && validRequestID(id) {
		return id
	}
	return rand.Text()
}

func validRequestID(id string) bool {
	for _, c := range []byte(id) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return id != "" && len(id) <= maxRequestID
}

// another makes of a request id that is in use one that is not.
func another(id string) string {
	suffix := "." + rand.Text()
	return id[:min(len(id), maxRequestID-len(suffix))] + suffix
}
