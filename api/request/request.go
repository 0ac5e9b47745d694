// Package request carries what is known of a request from the HTTP edge to the
// code that serves it. It imports nothing of the edge, so that handlers can use it
// although the edge imports them.
package request

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/fieldgate/fieldgate"
)

// Facts is what is known of one request. The edge makes it and reads it again for
// the access log, so only the goroutine that serves the request may write to it.
type Facts struct {
	ID        string         // the caller's X-Request-ID, or ours
	Addr      netip.Addr     // the client as the trusted proxies tell it; the zero Addr if unknown
	Origin    string         // of the page that asks, as its browser says; empty if it says nothing
	Operation string         // the operationId; empty until the route is known
	Principal string         // who calls, such as "device:dev_..."; empty before authentication
	HTTP      *http.Request  // the request as it was admitted, for upgrades; nil until then
	Code      fieldgate.Code // why it was refused; empty if it was not
	Err       error          // what lies behind the refusal, for the log only
	Abandoned bool           // the client went away before the answer
}

type contextKey struct{}

// With gives a context that carries the facts.
func With(ctx context.Context, facts *Facts) context.Context {
	return context.WithValue(ctx, contextKey{}, facts)
}

// Of gives the facts of the request that is served, and empty ones outside of a
// request, so the result is never nil.
func Of(ctx context.Context) *Facts {
	if facts, ok := ctx.Value(contextKey{}).(*Facts); ok {
		return facts
	}
	return &Facts{}
}

// WithID gives a context in which the request has another id, for one frame of a
// socket whose facts are otherwise those of its handshake.
func WithID(ctx context.Context, id string) context.Context {
	facts := *Of(ctx)
	facts.ID = id
	return With(ctx, &facts)
}

// ID is the id that follows the request through logs, commands and events.
func ID(ctx context.Context) string { return Of(ctx).ID }

// Addr is the address of the client, not of a proxy in front of us.
func Addr(ctx context.Context) netip.Addr { return Of(ctx).Addr }

// Origin is the origin of the web page that asks, as its browser says (RFC 6454); empty
// where there is no browser. Any other client may say what it likes.
func Origin(ctx context.Context) string { return Of(ctx).Origin }

// Operation is the operationId of the contract that is served.
func Operation(ctx context.Context) string { return Of(ctx).Operation }

// HTTP is the admitted request, for handlers that upgrade the connection.
func HTTP(ctx context.Context) *http.Request { return Of(ctx).HTTP }

// NotePrincipal names the caller in the access log. Authenticators call it; the
// name must hold no secret.
func NotePrincipal(ctx context.Context, principal string) { Of(ctx).Principal = principal }
