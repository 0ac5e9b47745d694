package realtime

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/fieldgate/fieldgate"
)

// These are the headers of the handshake (RFC 6455, section 11.3), and the protocol
// version.
const (
	headerKey      = "Sec-WebSocket-Key"
	headerVersion  = "Sec-WebSocket-Version"
	headerProtocol = "Sec-WebSocket-Protocol"

	protocolVersion = "13"
)

func newUpgrader() websocket.Upgrader {
	return websocket.Upgrader{
		HandshakeTimeout: 5 * time.Second,
		// The wire buffers what it reads, so the websocket package's own buffer only
		// needs to hold a control frame. A size of 1 selects the smallest buffer that the
		// package allows.
		ReadBufferSize:  1,
		WriteBufferSize: 1024,
		WriteBufferPool: &sync.Pool{},
		// The HTTP edge has already checked the origin. Its refusal contains the reason.
		CheckOrigin: func(*http.Request) bool { return true },
		Error:       func(http.ResponseWriter, *http.Request, int, error) {},
	}
}

// Open upgrades a request to a WebSocket. It returns as soon as the socket is open, so
// that the request's memory is freed. The socket is then served in the background. If
// Open returns an error, it has written no response, and the caller must write one.
func (h *Hub) Open(w http.ResponseWriter, r *http.Request, o OpenRequest) error {
	if err := checkHandshake(r); err != nil {
		w.Header().Set(headerVersion, protocolVersion) // RFC 6455, section 4.4
		return err
	}
	err := h.open(w, r, o)
	if errors.Is(err, errHijacked) {
		h.log.DebugContext(r.Context(), "handshake aborted", "error", err)
		return nil
	}
	return err
}

func (h *Hub) open(w http.ResponseWriter, r *http.Request, o OpenRequest) error {
	s := h.newSocket(o)
	if code := h.reserve(s); code != 0 {
		return s.refuse(w, r, o.Header, code)
	}
	if err := h.register(r.Context(), s); err != nil {
		h.release(s)
		return err
	}
	if err := s.upgrade(w, r, o.Header); err != nil {
		h.release(s)
		h.unregister(s)
		return err
	}
	s.start()
	return nil
}

// checkHandshake checks a request against RFC 6455, section 4.2.1. It runs before the
// socket is registered, because a registration closes the device's earlier socket.
func checkHandshake(r *http.Request) error {
	offered := subprotocols(r)
	switch {
	case r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1) || !websocket.IsWebSocketUpgrade(r):
		return errNoUpgrade
	case !hasOne(r, headerVersion, func(value string) bool { return value == protocolVersion }):
		return errVersion
	case !hasOne(r, headerKey, validKey):
		return errKey
	case len(offered) > 0 && !slices.Contains(offered, subprotocol):
		return errSubprotocol
	}
	return nil
}

// hasOne reports whether a request has the header exactly once, with a valid value.
func hasOne(r *http.Request, header string, valid func(string) bool) bool {
	values := r.Header.Values(header)
	return len(values) == 1 && valid(values[0])
}

func validKey(key string) bool {
	decoded, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(decoded) == 16
}

// subprotocols returns the subprotocols that the client offers. The client may offer them
// in several header lines.
func subprotocols(r *http.Request) (offered []string) {
	for _, line := range r.Header.Values(headerProtocol) {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" {
				offered = append(offered, name)
			}
		}
	}
	return offered
}

// upgrade upgrades the request to a WebSocket. If it returns errHijacked, the connection
// can no longer carry an HTTP response.
func (s *Socket) upgrade(w http.ResponseWriter, r *http.Request, header http.Header) (err error) {
	if header = header.Clone(); header == nil {
		header = http.Header{}
	}
	if len(subprotocols(r)) > 0 {
		header.Set(headerProtocol, subprotocol)
	}
	// A message may have one fragment per byte, and an empty fragment before and after
	// them.
	hijacker := &wireWriter{ResponseWriter: w, maxFragments: s.hub.cfg.Limits.MaxMessage + 2}
	s.conn.ws, err = s.hub.upgrade.Upgrade(hijacker, r, header)
	s.conn.wire = hijacker.wire
	switch {
	case err == nil:
		return nil
	case hijacker.wire != nil:
		return fmt.Errorf("%w: %w", errHijacked, err)
	}
	return fmt.Errorf("%w: %w", errNoUpgrade, err)
}

// errHijacked is the error of a handshake that failed after the connection was
// hijacked.
var errHijacked = errors.New("the connection is hijacked")

var (
	errNoUpgrade = refuseHandshake("This address is a WebSocket: connect to it with a WebSocket client (RFC 6455).",
		fieldgate.FieldError{Pointer: "/header/Upgrade", Keyword: "required", Reason: "must be websocket"})
	errVersion = refuseHandshake("The handshake must have the WebSocket version 13.",
		fieldgate.FieldError{Pointer: "/header/" + headerVersion, Keyword: "enum", Reason: "must be 13"})
	errKey = refuseHandshake("The handshake must have one WebSocket key of 16 bytes in base64.",
		fieldgate.FieldError{Pointer: "/header/" + headerKey, Keyword: "format", Reason: "must be 16 bytes in base64"})
	errSubprotocol = refuseHandshake("The handshake must offer the subprotocol fieldgate.v1.",
		fieldgate.FieldError{Pointer: "/header/" + headerProtocol, Keyword: "enum", Reason: "must offer fieldgate.v1"})
)

func refuseHandshake(detail string, wrong fieldgate.FieldError) *fieldgate.Error {
	return &fieldgate.Error{Code: fieldgate.CodeValidationFailed, Detail: detail, Fields: []fieldgate.FieldError{wrong}}
}
