package fieldgate

import (
	"errors"
	"fmt"
	"net/http"
)

// A CloseCode tells why a socket was closed, and so whether to come back.
type CloseCode int

// The close codes of the contract. A socket of this package acts on them by itself: only
// those that end it for good come out of it, in a [CloseError].
const (
	CloseNormal     CloseCode = 1000 // said goodbye
	CloseBinary     CloseCode = 1003 // a binary frame: ends the socket
	CloseNotUTF8    CloseCode = 1007 // text that is not UTF-8: ends the socket
	CloseFlood      CloseCode = 1008 // too many messages
	CloseTooLarge   CloseCode = 1009 // a frame over the limit: ends the socket
	CloseInternal   CloseCode = 1011 // a fault of the gateway
	CloseGoingAway  CloseCode = 1012 // this instance goes away
	CloseOverloaded CloseCode = 1013 // overloaded, or too many sockets
	CloseExpired    CloseCode = 4001 // the token has expired
	CloseWithdrawn  CloseCode = 4003 // suspended, revoked, or closed by an administrator: ends the socket
	CloseSilent     CloseCode = 4008 // no pong came in time
	CloseSuperseded CloseCode = 4009 // a newer socket of this device took over: ends the socket
	CloseTooSlow    CloseCode = 4010 // events came faster than they were read
)

// A CloseError is the end of a socket, as the gateway gave it.
type CloseError struct {
	Code   CloseCode
	Reason string // a few words for people; may be empty
}

// Error describes the end for a log line.
func (e *CloseError) Error() string {
	text := fmt.Sprintf("fieldgate: the gateway closed the socket with %d", e.Code)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// closedWith tells whether a socket ended with one of these codes.
func closedWith(err error, codes ...CloseCode) bool {
	closed, ok := errors.AsType[*CloseError](err)
	if !ok {
		return false
	}
	for _, code := range codes {
		if closed.Code == code {
			return true
		}
	}
	return false
}

// final tells whether there is no use in coming back: the gateway has said so, in a close
// code or in the refusal of a handshake or login. What does not come from the gateway,
// such as the page of a balancer, never counts: it may be gone in a moment.
func final(err error) bool {
	if refused, ok := errors.AsType[*APIError](err); ok {
		return refused.Code != "" && !passing(refused.Status)
	}
	return closedWith(err, CloseBinary, CloseNotUTF8, CloseTooLarge, CloseWithdrawn, CloseSuperseded)
}

// passing tells whether a refusal with this status may be none a little later.
func passing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status < 400 || status >= 500
}
