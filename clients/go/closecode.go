package fieldgate

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// A CloseCode is the reason why the gateway closed a socket. It decides whether the socket
// reconnects.
type CloseCode int

// The close codes of the contract. A socket of this package handles them itself. Only a code
// that ends the socket reaches the caller, in a [CloseError].
const (
	CloseNormal     CloseCode = 1000 // closed in the regular way
	CloseBinary     CloseCode = 1003 // a binary frame; ends the socket
	CloseNotUTF8    CloseCode = 1007 // text that is not UTF-8; ends the socket
	CloseFlood      CloseCode = 1008 // too many messages
	CloseTooLarge   CloseCode = 1009 // a frame over the limit; ends the socket
	CloseInternal   CloseCode = 1011 // a fault of the gateway
	CloseGoingAway  CloseCode = 1012 // the instance is shutting down
	CloseOverloaded CloseCode = 1013 // the gateway is overloaded, or has too many sockets
	CloseExpired    CloseCode = 4001 // the token has expired
	CloseWithdrawn  CloseCode = 4003 // suspended, revoked, or closed by an administrator; ends the socket
	CloseSilent     CloseCode = 4008 // no pong arrived in time
	CloseSuperseded CloseCode = 4009 // a newer socket of this device replaced this one; ends the socket
	CloseTooSlow    CloseCode = 4010 // events arrived faster than the client read them
)

// A CloseError is the error of a socket that the gateway closed.
type CloseError struct {
	Code   CloseCode
	Reason string // a few words for people; may be empty
}

// Error describes the close for a log line.
func (e *CloseError) Error() string {
	text := fmt.Sprintf("fieldgate: the gateway closed the socket with %d", e.Code)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// isClosedWith reports whether the gateway closed a socket with one of these codes.
func isClosedWith(err error, codes ...CloseCode) bool {
	var closed *CloseError
	return errors.As(err, &closed) && slices.Contains(codes, closed.Code)
}

// isFinal reports whether reconnecting after err is pointless. It is pointless if the gateway
// closed the socket with a code that ends it, or refused a handshake or login permanently. A
// response that is not from the gateway, such as the error page of a balancer, is never final.
func isFinal(err error) bool {
	if refusal := asAPIError(err); refusal != nil {
		return refusal.Code != "" && !isTransient(refusal.Status)
	}
	return isClosedWith(err, CloseBinary, CloseNotUTF8, CloseTooLarge, CloseWithdrawn, CloseSuperseded)
}

// isTransient reports whether a request that was refused with this status may succeed later.
func isTransient(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status < 400 || status >= 500
}
