// Package request carries information about a request from the HTTP edge to the code that
// serves it. It does not import the edge, so that handlers, which the edge imports, can
// use it.
package request

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/fieldgate/fieldgate"
)

// Info is information about one request. The edge creates it and reads it again for the
// access log, so only the goroutine that serves the request may write to it.
type Info struct {
	ID        string         // the client's X-Request-ID, or a new one
	Addr      netip.Addr     // of the client, from the trusted proxies; the zero Addr if unknown
	Origin    string         // of the web page, from the Origin header; empty if there is none
	Operation string         // the operationId; empty until the route is known
	Principal string         // the caller, such as "device:dev_..."; empty before authentication
	Tenant    string         // of the caller; empty before authentication, and for a caller without one
	HTTP      *http.Request  // the admitted request, for upgrades; nil before admission
	Code      fieldgate.Code // of the refusal; empty if there is none
	Err       error          // the error behind the refusal, for the log only
	Abandoned bool           // the client closed the connection before the response
}

type contextKey struct{}

// With returns a context that carries the info.
func With(ctx context.Context, info *Info) context.Context {
	return context.WithValue(ctx, contextKey{}, info)
}

// Of returns the info of the request that is served. Outside of a request it returns an
// empty one, never nil.
func Of(ctx context.Context) *Info {
	if info, ok := ctx.Value(contextKey{}).(*Info); ok {
		return info
	}
	return &Info{}
}

// ID returns the id of the request, which is in all its logs, commands and events.
func ID(ctx context.Context) string { return Of(ctx).ID }

// Addr returns the address of the client, not that of a proxy in front of the gateway.
func Addr(ctx context.Context) netip.Addr { return Of(ctx).Addr }

// Origin returns the origin of the web page that sent the request (RFC 6454), or "" if no
// browser sent it. Clients other than browsers can send any origin.
func Origin(ctx context.Context) string { return Of(ctx).Origin }

// Operation returns the operationId of the operation that is served.
func Operation(ctx context.Context) string { return Of(ctx).Operation }

// HTTP returns the admitted request, for handlers that upgrade the connection.
func HTTP(ctx context.Context) *http.Request { return Of(ctx).HTTP }

// SetPrincipal sets the name of the caller in the access log, and its tenant. Authenticators
// call it. The name must not contain a secret.
func SetPrincipal(ctx context.Context, tenant, principal string) {
	info := Of(ctx)
	info.Tenant, info.Principal = tenant, principal
}
