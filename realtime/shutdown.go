package realtime

import (
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// closeWithin is the time within which a client must answer a close frame.
const closeWithin = 2 * time.Second

// maxDrainBytes limits the bytes that are read and dropped while a socket closes.
const maxDrainBytes = 4 << 20

// closeStatus is the status of a close frame (RFC 6455, section 5.5.1).
type closeStatus struct {
	code   CloseCode
	reason string
	sent   bool // the frame was sent
}

// sendClose sends the close frame s to the client. The reader then waits for the client's
// answer, at most closeWithin.
func (c *Conn) sendClose(s *closeStatus) {
	data := websocket.FormatCloseMessage(int(s.code), s.reason)
	_ = c.ws.WriteControl(websocket.CloseMessage, data, time.Now().Add(closeWithin))
	_ = c.ws.SetReadDeadline(time.Now().Add(closeWithin))
}

// shutDown closes the socket after the read error err. If the client may still read,
// shutDown sends it a close frame with the cause. If the client sent a close frame,
// shutDown answers with the same code (RFC 6455, section 5.5.1).
func (c *Conn) shutDown(err error) {
	cause := closeCauseOf(err)
	status := c.recordClose(cause.code, cause.reason)
	c.cancel()
	if cause.code != closeAbnormal && status.code != closeAbnormal {
		// If a close frame was sent before, WriteControl does not send a second one.
		data := websocket.FormatCloseMessage(int(status.code), status.reason)
		_ = c.ws.WriteControl(websocket.CloseMessage, data, time.Now().Add(closeWithin))
	}
	c.closeConnection(cause.unread)
	c.mu.Lock()
	c.clearQueue()
	c.flushed.Broadcast()
	c.mu.Unlock()
	c.onClose(c, status.code)
	if cause.unread {
		c.drain()
	}
	c.markDone()
}

// closeConnection closes the connection. If unread is true, the client may have sent
// bytes that were not read, and closeConnection closes only the gateway's side. Closing
// both sides would reset a connection with unread bytes, and the client would not see the
// close frame (RFC 6455, section 7.1.1).
func (c *Conn) closeConnection(unread bool) {
	if !unread || c.wire.CloseWrite() != nil {
		_ = c.ws.Close()
	}
}

// drain reads and drops the client's remaining bytes, and then closes the connection.
func (c *Conn) drain() {
	_ = c.wire.SetReadDeadline(time.Now().Add(closeWithin))
	_, _ = io.CopyN(io.Discard, c.wire.Conn, maxDrainBytes)
	_ = c.wire.Close()
}

// recordClose sets the close status, unless the socket already has one. It returns the
// socket's close status.
func (c *Conn) recordClose(code CloseCode, reason string) closeStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing == nil {
		c.closing = &closeStatus{code: code, reason: reason, sent: true}
	}
	return *c.closing
}

// closeCause describes the read error that ended a socket.
type closeCause struct {
	code   CloseCode // closeAbnormal if the client cannot receive a close frame
	reason string
	unread bool // the client may have sent bytes that were not read
}

func closeCauseOf(err error) closeCause {
	var closed *websocket.CloseError
	var broken *violation
	switch {
	case errors.As(err, &broken):
		return closeCause{broken.code, broken.reason, true}
	case errors.Is(err, websocket.ErrReadLimit):
		return closeCause{CloseTooLarge, "too large", true}
	case isTimeout(err):
		return closeCause{code: CloseSilent, reason: "no pong"}
	case errors.As(err, &closed):
		return causeOfClientClose(CloseCode(closed.Code))
	case strings.HasPrefix(err.Error(), "websocket: "):
		// The websocket package has no error type for a protocol error. The package has
		// already sent a close frame.
		return closeCause{closeProtocol, "", true}
	}
	return closeCause{code: closeAbnormal}
}

// causeOfClientClose returns the cause when the client has sent a close frame with code.
func causeOfClientClose(code CloseCode) closeCause {
	switch code {
	case closeAbnormal: // the websocket package's code for a connection that ended without a close frame
		return closeCause{code: closeAbnormal}
	case closeNoneWasSent:
		code = CloseNormal
	}
	return closeCause{code: code, unread: true}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
