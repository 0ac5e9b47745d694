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

// The close codes of the contract. A socket of this package handles them itself. It reconnects
// unless the comment says that the code is final. A final code reaches the caller in a
// [CloseError].
const (
	CloseNormal     CloseCode = 1000 // the gateway closed the socket normally
	CloseBinary     CloseCode = 1003 // final: the client sent a binary frame
	CloseNotUTF8    CloseCode = 1007 // final: the client sent text that is not UTF-8
	CloseFlood      CloseCode = 1008 // the client sent too many messages
	CloseTooLarge   CloseCode = 1009 // final: the client sent a frame over the size limit
	CloseInternal   CloseCode = 1011 // internal error of the gateway
	CloseGoingAway  CloseCode = 1012 // the instance is shutting down
	CloseOverloaded CloseCode = 1013 // the gateway is overloaded, or has too many sockets
	CloseExpired    CloseCode = 4001 // the token has expired
	CloseWithdrawn  CloseCode = 4003 // final: access was suspended or revoked, the user was cut off, or an administrator closed the socket
	CloseSilent     CloseCode = 4008 // no pong arrived in time
	CloseSuperseded CloseCode = 4009 // final: a newer socket of the same device replaced this one
	CloseTooSlow    CloseCode = 4010 // events arrived faster than the client read them
)

// A CloseError is the error of a socket that the gateway closed.
type CloseError struct {
	Code   CloseCode
	Reason string // a short explanation for people; may be empty
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
// closed the socket with a final code, or refused a handshake or login permanently. A response
// that is not from the gateway, such as the error page of a balancer, is never final.
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
