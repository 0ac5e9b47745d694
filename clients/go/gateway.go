package fieldgate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Default values for the options of New.
const (
	DefaultTimeout          = 30 * time.Second
	DefaultMinRate          = 1 << 10
	DefaultMaxResponseBytes = 8 << 20
	DefaultUserAgent        = "fieldgate-go"
)

// A Gateway holds the address of a gateway and the settings of its connections. It sends
// requests that need no credentials, and creates the clients for all other requests. It is safe
// for concurrent use. Create one per gateway and keep it.
type Gateway struct {
	requester requester
}

// An Option configures a Gateway and all clients and sockets that are created from it.
type Option func(*requester)

// WithTransport sets the transport of all requests, for example to use a private certificate
// authority, a client certificate or a proxy. An *http.Transport is copied, and its HTTP/2
// connections are checked with pings unless its field HTTP2 is set. Default:
// http.DefaultTransport.
func WithTransport(transport http.RoundTripper) Option {
	return func(r *requester) { r.client.Transport = transport }
}

// WithTimeout limits the duration of each request, from connecting to the last byte of the
// response. WaitMs is added to the timeout of a Claim, and the time that a body takes at the
// rate of WithMinRate to the timeout of a request with a body. Default: DefaultTimeout.
func WithTimeout(timeout time.Duration) Option {
	return func(r *requester) { r.timeout = timeout }
}

// WithMinRate sets the rate in bytes a second at which a body takes the time that is added to
// the timeout of its request. The gateway refuses a body that is slower than 1024 bytes a second
// with [CodeRequestTimeout], unless its operator has set another rate. Default: DefaultMinRate.
func WithMinRate(bytesPerSecond int) Option {
	return func(r *requester) { r.minRate = bytesPerSecond }
}

// WithMaxResponseBytes limits the size of each response body, so that a faulty server cannot
// exhaust the memory of a device. Default: DefaultMaxResponseBytes.
func WithMaxResponseBytes(limit int64) Option {
	return func(r *requester) { r.maxBytes = limit }
}

// WithUserAgent sets the User-Agent header. It should contain the name and version of the
// program, such as "pump-firmware/2.8.1". Default: DefaultUserAgent.
func WithUserAgent(userAgent string) Option {
	return func(r *requester) { r.userAgent = userAgent }
}

// New returns a Gateway for baseURL, the part of the address before /api/v1, such as
// "https://gateway.example.com". It sends no request. It returns an error if baseURL is not an
// http or https URL with a host, or if an option is out of range.
func New(baseURL string, options ...Option) (*Gateway, error) {
	server, err := parseBaseURL(baseURL)
	if err != nil {
		return nil, err
	}
	r := requester{
		server:      server,
		client:      &http.Client{CheckRedirect: refuseRedirect},
		timeout:     DefaultTimeout,
		minRate:     DefaultMinRate,
		maxBytes:    DefaultMaxResponseBytes,
		userAgent:   DefaultUserAgent,
		credentials: noCredentials,
		encoding:    new(encoding),
	}
	for _, option := range options {
		option(&r)
	}
	if r.timeout <= 0 || r.minRate <= 0 || r.maxBytes <= 0 {
		return nil, errors.New("fieldgate: the timeout, the minimum rate and the limit on responses must be above zero")
	}
	r.client.Transport = withPings(r.transport())
	return &Gateway{requester: r}, nil
}

// Without pings, an HTTP/2 connection that has gone dark is used for as long as the system
// repeats what was sent, which is up to 15 minutes. A request over HTTP/1.1 that times out closes
// its connection.
const (
	pingAfter   = 20 * time.Second // silence after which a connection is checked
	pingTimeout = 10 * time.Second
)

// withPings returns a copy of transport that checks its HTTP/2 connections with pings. It
// returns transport itself if that is not an *http.Transport or configures HTTP/2.
func withPings(transport http.RoundTripper) http.RoundTripper {
	plain, ok := transport.(*http.Transport)
	if !ok || plain.HTTP2 != nil {
		return transport
	}
	clone := plain.Clone()
	clone.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	return clone
}

// parseBaseURL checks baseURL and returns it with exactly one slash at the end.
func parseBaseURL(baseURL string) (string, error) {
	parsed, err := url.Parse(baseURL)
	switch {
	case err != nil:
		return "", fmt.Errorf("fieldgate: parsing the base URL: %w", err)
	case parsed.Scheme != "http" && parsed.Scheme != "https", parsed.Host == "":
		return "", errors.New("fieldgate: the base URL must begin with http:// or https:// and a host")
	case parsed.User != nil, parsed.RawQuery != "", parsed.Fragment != "":
		return "", errors.New("fieldgate: the base URL must have no user, query or fragment")
	}
	return strings.TrimSuffix(parsed.String(), "/") + "/", nil
}

// Device returns a client for a registered device. The client logs in on its first call and
// keeps the login. Create one client per device and keep it. The login names this program as the
// instance of the device's software: see [Device.IdentityConflict]. Two programs that use one identity
// in turn are a conflict. All Gateways of a program are one instance.
func (g *Gateway) Device(deviceID, deviceSecret string) *DeviceClient {
	login := newLogin(func(ctx context.Context) (DeviceLogin, error) {
		return g.authenticateInstance(ctx, AuthenticateDeviceRequest{DeviceID: deviceID, DeviceSecret: deviceSecret})
	})
	return newDeviceClient(g.requester.withCredentials(login.token), login.token, login)
}

// DeviceWithToken returns a client for a device that obtains its login token by other means,
// such as [Gateway.Authenticate]. The client never logs in. If the gateway responds with 401,
// the call therefore returns this error.
func (g *Gateway) DeviceWithToken(token TokenSource) *DeviceClient {
	return newDeviceClient(g.requester.withCredentials(token.requestCredentials), token.socketCredentials, nil)
}

// Customer returns a client for a user or program of a tenant. token must return JWTs that the
// tenant's identity provider issued.
func (g *Gateway) Customer(token TokenSource) *CustomerClient {
	return &CustomerClient{
		requester: g.requester.withCredentials(token.requestCredentials),
		dialing:   g.requester.withCredentials(token.socketCredentials),
	}
}

// Register exchanges the activation code of a device for its id and secret. The device must
// store both where they survive a reboot, because the gateway returns the secret only once. A
// wrong, used or expired code is refused with [CodeInvalidActivationCode]. If the response is
// lost, repeat the request with the same [WithIdempotencyKey]: until the device logs in, it returns
// the same secret.
func (g *Gateway) Register(ctx context.Context, device RegisterDeviceRequest, options ...CallOption) (RegisteredDevice, error) {
	return decode[RegisteredDevice](g.requester.registerDevice(ctx, device, options))
}

// Authenticate logs a device in once, and returns its login token. A client from
// [Gateway.Device] logs in by itself.
func (g *Gateway) Authenticate(ctx context.Context, device AuthenticateDeviceRequest) (DeviceLogin, error) {
	return decode[DeviceLogin](g.requester.authenticateDevice(ctx, device))
}

// instance is the random id of this start of the program. All Gateways of a program have the same,
// because they are one machine.
var instance = rand.Text()

// authenticateInstance logs a device in, with the id of this instance. A gateway of an earlier
// version refuses the id.
func (g *Gateway) authenticateInstance(ctx context.Context, device AuthenticateDeviceRequest) (DeviceLogin, error) {
	named := device
	named.InstanceID = instance
	login, err := g.Authenticate(ctx, named)
	if CodeOf(err) == CodeValidationFailed {
		return g.Authenticate(ctx, device)
	}
	return login, err
}

// Health returns an error unless the gateway process is alive. It does not check other
// services, such as Redis.
func (g *Gateway) Health(ctx context.Context) (Health, error) {
	return decode[Health](g.requester.getHealth(ctx))
}

// Readiness reports whether the responding instance accepts traffic, and the state of each
// service that the instance needs. If the instance is not ready, Readiness returns no error.
func (g *Gateway) Readiness(ctx context.Context) (Readiness, error) {
	resp, err := g.requester.getReadiness(ctx)
	if err == nil && resp.StatusCode == http.StatusServiceUnavailable && mediaType(resp) == jsonType {
		return decodeBody[Readiness](resp)
	}
	return decode[Readiness](resp, err)
}

// Version returns the version of the gateway.
func (g *Gateway) Version(ctx context.Context) (Version, error) {
	return decode[Version](g.requester.getVersion(ctx))
}

// ReceiptKeys returns the keys with which the gateway's receipts are verified, as the gateway says. Who
// does not want to trust the gateway obtains them elsewhere: see [ParseReceiptKeys]. It is an error if
// the gateway signs no receipts.
func (g *Gateway) ReceiptKeys(ctx context.Context) (ReceiptKeys, error) {
	set, err := decode[keySet](g.requester.getSigningKeys(ctx))
	if err != nil {
		return nil, err
	}
	return newReceiptKeys(set)
}
