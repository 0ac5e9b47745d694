package realtime

import (
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// goodbyeWithin is how long the other side may take to answer a close.
const goodbyeWithin = 2 * time.Second

// goodbye is why a socket ends, and whether the client was told.
type goodbye struct {
	code   CloseCode
	reason string
	sent   bool
}

// sayGoodbye sends the close frame and leaves the reader a moment for the answer.
func (c *Conn) sayGoodbye(g *goodbye) {
	data := websocket.FormatCloseMessage(int(g.code), g.reason)
	_ = c.ws.WriteControl(websocket.CloseMessage, data, time.Now().Add(goodbyeWithin))
	_ = c.ws.SetReadDeadline(time.Now().Add(goodbyeWithin))
}

// finish ends the socket for good. What ended it is said to a client that may still
// listen, and its own goodbye is answered with the same code (RFC 6455, section 5.5.1).
func (c *Conn) finish(err error) {
	end := endingOf(err)
	last := c.noteEnd(end.code, end.reason)
	c.cancel()
	if end.code != closeAbnormal && last.code != closeAbnormal {
		// If one was sent already, this one is not.
		data := websocket.FormatCloseMessage(int(last.code), last.reason)
		_ = c.ws.WriteControl(websocket.CloseMessage, data, time.Now().Add(goodbyeWithin))
	}
	c.hangUp(end.talking)
	c.mu.Lock()
	c.closed = true
	c.forget()
	c.emptied.Broadcast()
	c.mu.Unlock()
	c.ended(c, last.code)
	c.linger(end.talking)
	c.leave()
}

// hangUp ends the connection, or only our side of it for a client that may still be
// talking: closing a connection with something unread resets it, and the client
// would never see the code (RFC 6455, section 7.1.1).
func (c *Conn) hangUp(talking bool) {
	if !talking || c.wire.CloseWrite() != nil {
		_ = c.ws.Close()
	}
}

// linger reads what the client was still saying.
func (c *Conn) linger(talking bool) {
	if talking {
		_ = c.wire.SetReadDeadline(time.Now().Add(goodbyeWithin))
		_, _ = io.CopyN(io.Discard, c.wire.Conn, lingerBytes)
		_ = c.wire.Close()
	}
}

// lingerBytes is how much is read of a client that talks on regardless.
const lingerBytes = 4 << 20

// noteEnd keeps the first reason why the socket ended, and gives it.
func (c *Conn) noteEnd(code CloseCode, reason string) goodbye {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing == nil {
		c.closing = &goodbye{code: code, reason: reason, sent: true}
	}
	return *c.closing
}

// ending is how the reader came to its end.
type ending struct {
	code    CloseCode // abnormal if nobody is there to hear it
	reason  string
	talking bool // the client may have said more than was read
}

func endingOf(err error) ending {
	var said *websocket.CloseError
	var broken *violation
	switch {
	case errors.As(err, &broken):
		return ending{broken.code, broken.reason, true}
	case errors.Is(err, websocket.ErrReadLimit):
		return ending{CloseTooLarge, "too large", true}
	case isTimeout(err):
		return ending{code: CloseSilent, reason: "no pong"}
	case errors.As(err, &said):
		return endingSaid(CloseCode(said.Code))
	case strings.HasPrefix(err.Error(), "websocket: "):
		// The package has no type for a broken rule, and has told the client.
		return ending{closeProtocol, "", true}
	}
	return ending{code: closeAbnormal}
}

// endingSaid is the ending that a client wanted.
func endingSaid(code CloseCode) ending {
	switch code {
	case closeAbnormal: // what the package calls a connection that just ends
		return ending{code: closeAbnormal}
	case closeNoneWasSent:
		code = CloseNormal
	}
	return ending{code: code, talking: true}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
