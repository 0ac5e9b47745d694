// Package request carries information about a request from the HTTP edge to the code that
// serves the request. It does not import the edge. Handlers can therefore import it, although
// the edge imports the handlers.
package request

import (
	"cmp"
	"context"
	"iter"
	"net/http"
	"net/netip"
	"strings"

	"github.com/fieldgate/fieldgate"
)

// Info is information about one request. The edge creates it, and reads it later for the access
// log. Only the goroutine that serves the request may write to it.
type Info struct {
	ID            string           // X-Request-ID of the client, or a generated id
	Addr          netip.Addr       // address of the client, as trusted proxies report it; the zero Addr if unknown
	Origin        string           // Origin header, the origin of the web page; empty if there is none
	Operation     string           // the operationId; empty until the route is known
	Cost          int              // what the operation counts towards rate limits; zero until the route is known
	Principal     string           // the caller, such as "device:dev_..."; empty before authentication
	Tenant        string           // the caller's tenant; empty before authentication and for a caller without a tenant
	Device        string           // id of the device that calls, or that the path names; empty if unknown
	User          string           // id of the user who calls; empty for a device and before authentication
	Session       string           // id of the session that the request concerns; empty if unknown
	Command       string           // id of the command that the request concerns, or ids separated by spaces; empty if unknown
	Traceparent   string           // the current span, as the function Traceparent returns it; empty if there is no trace
	AmazonTraceID string           // X-Amzn-Trace-Id, which a balancer of AWS adds; empty if there is none
	HTTP          *http.Request    // the request after its admission, needed to open a socket; nil before
	Code          fieldgate.Code   // code of the refusal; empty if the request was not refused
	Reason        fieldgate.Reason // why the credential was refused, for the log only; empty for other refusals
	Err           error            // the error behind the refusal, for the log only
	Abandoned     bool             // the client closed the connection before the response
}

// IDs yields the ids of the caller and of what the request concerns, as far as they are known, by the names
// that logs and spans have for them.
func (i *Info) IDs() iter.Seq2[string, string] {
	return func(yield func(name, id string) bool) {
		for _, id := range [...]struct{ name, value string }{
			{"tenant", i.Tenant}, {"device", i.Device}, {"user", i.User}, {"session", i.Session}, {"command", i.Command},
		} {
			if id.value != "" && !yield(id.name, id.value) {
				return
			}
		}
	}
}

type contextKey struct{}

// With returns a context that carries the info.
func With(ctx context.Context, info *Info) context.Context {
	return context.WithValue(ctx, contextKey{}, info)
}

// Of returns the Info that ctx carries, or an empty Info. It never returns nil.
func Of(ctx context.Context) *Info {
	if info, ok := ctx.Value(contextKey{}).(*Info); ok {
		return info
	}
	return &Info{}
}

// ID returns the request id. Logs, commands and events contain it.
func ID(ctx context.Context) string { return Of(ctx).ID }

// Addr returns the address of the client, not that of a proxy in front of the gateway.
func Addr(ctx context.Context) netip.Addr { return Of(ctx).Addr }

// Origin returns the origin of the web page that sent the request (RFC 6454), or "" if the
// request has none. Clients other than browsers can send any origin.
func Origin(ctx context.Context) string { return Of(ctx).Origin }

// Operation returns the operationId of the current operation.
func Operation(ctx context.Context) string { return Of(ctx).Operation }

// Cost returns what the current operation counts towards rate limits.
func Cost(ctx context.Context) int { return Of(ctx).Cost }

// HTTP returns the admitted request. Handlers that upgrade the connection need it.
func HTTP(ctx context.Context) *http.Request { return Of(ctx).HTTP }

// SetPrincipal records the caller's name, such as "device:dev_..." or "user:...", and tenant for the
// access log. Authenticators call it.
// The name must not contain a secret.
func SetPrincipal(ctx context.Context, tenant, principal string) {
	info := Of(ctx)
	info.Tenant, info.Principal = tenant, principal
	switch kind, id, _ := strings.Cut(principal, ":"); kind {
	case "device":
		info.Device = id
	case "user":
		info.User = id
	}
}

// SetCommand records the session and the command that the request concerns, for the access log. It
// changes nothing where an id is empty.
func SetCommand(ctx context.Context, session, command string) {
	info := Of(ctx)
	info.Session, info.Command = cmp.Or(session, info.Session), cmp.Or(command, info.Command)
}
