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

// Headers of the handshake (RFC 6455, section 11.3).
const (
	headerKey      = "Sec-WebSocket-Key"
	headerVersion  = "Sec-WebSocket-Version"
	headerProtocol = "Sec-WebSocket-Protocol"

	versionSpoken = "13"
)

func newUpgrader() websocket.Upgrader {
	return websocket.Upgrader{
		HandshakeTimeout: 5 * time.Second,
		// What waits to be read waits in the wire: the package's own buffer only has to
		// hold a control frame, so it is the smallest that there is.
		ReadBufferSize:  1,
		WriteBufferSize: 1024,
		WriteBufferPool: &sync.Pool{},
		// Origins are checked at the edge, which can explain itself.
		CheckOrigin: func(*http.Request) bool { return true },
		Error:       func(http.ResponseWriter, *http.Request, int, error) {},
	}
}

// Open upgrades a request and serves the socket from then on. An error is for the
// caller to answer: nothing was written yet. It returns before the socket ends,
// so that nothing of the request is kept.
func (h *Hub) Open(w http.ResponseWriter, r *http.Request, o OpenRequest) error {
	if err := checkHandshake(r); err != nil {
		w.Header().Set(headerVersion, versionSpoken) // section 4.4
		return err
	}
	err := h.open(w, r, o)
	if errors.Is(err, errTaken) {
		h.log.DebugContext(r.Context(), "a handshake was broken off", "error", err)
		return nil
	}
	return err
}

func (h *Hub) open(w http.ResponseWriter, r *http.Request, o OpenRequest) error {
	s := h.newSocket(o)
	if code := h.reserve(s); code != 0 {
		return s.refuse(w, r, o.Header, code)
	}
	if err := h.connect(r.Context(), s); err != nil {
		h.release(s)
		return err
	}
	if err := s.upgrade(w, r, o.Header); err != nil {
		h.release(s)
		h.disconnect(s)
		return err
	}
	s.start()
	return nil
}

// checkHandshake holds a request against RFC 6455, section 4.2.1, before it has cost
// a device the socket that it had.
func checkHandshake(r *http.Request) error {
	offered := subprotocols(r)
	switch {
	case r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1) || !websocket.IsWebSocketUpgrade(r):
		return errNoUpgrade
	case !once(r, headerVersion, func(value string) bool { return value == versionSpoken }):
		return errVersion
	case !once(r, headerKey, validKey):
		return errKey
	case len(offered) > 0 && !slices.Contains(offered, subprotocol):
		return errSubprotocol
	}
	return nil
}

// once tells whether a header is there once, with a value that is valid.
func once(r *http.Request, header string, valid func(string) bool) bool {
	values := r.Header.Values(header)
	return len(values) == 1 && valid(values[0])
}

func validKey(key string) bool {
	decoded, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(decoded) == 16
}

// subprotocols gives those that a client offers, on however many lines.
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

// upgrade answers the handshake.
func (s *Socket) upgrade(w http.ResponseWriter, r *http.Request, header http.Header) (err error) {
	if header = header.Clone(); header == nil {
		header = http.Header{}
	}
	if len(subprotocols(r)) > 0 {
		header.Set(headerProtocol, subprotocol)
	}
	// A message may have an empty part at each end of its bytes.
	taken := &wireWriter{ResponseWriter: w, maxParts: s.hub.cfg.Limits.MaxMessage + 2}
	s.conn.ws, err = s.hub.upgrade.Upgrade(taken, r, header)
	s.conn.wire = taken.wire
	switch {
	case err == nil:
		return nil
	case taken.wire != nil:
		return fmt.Errorf("%w: %w", errTaken, err)
	}
	return fmt.Errorf("%w: %w", errNoUpgrade, err)
}

// errTaken says that a handshake failed when there was nobody to answer any more.
var errTaken = errors.New("the connection is taken over")

var (
	errNoUpgrade = refuseHandshake("This address speaks WebSocket (RFC 6455) only.",
		fieldgate.FieldError{Pointer: "/header/Upgrade", Keyword: "required", Reason: "must be websocket"})
	errVersion = refuseHandshake("The version of WebSocket is 13.",
		fieldgate.FieldError{Pointer: "/header/" + headerVersion, Keyword: "enum", Reason: "must be 13"})
	errKey = refuseHandshake("A handshake has a key.",
		fieldgate.FieldError{Pointer: "/header/" + headerKey, Keyword: "format", Reason: "must be 16 bytes in base64"})
	errSubprotocol = refuseHandshake("The subprotocol of this socket is fieldgate.v1.",
		fieldgate.FieldError{Pointer: "/header/" + headerProtocol, Keyword: "enum", Reason: "must offer fieldgate.v1"})
)

func refuseHandshake(detail string, wrong fieldgate.FieldError) *fieldgate.Error {
	return &fieldgate.Error{Code: fieldgate.CodeValidationFailed, Detail: detail, Fields: []fieldgate.FieldError{wrong}}
}
