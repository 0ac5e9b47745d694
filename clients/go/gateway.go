package fieldgate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// What a Gateway does unless an Option says otherwise.
const (
	DefaultTimeout          = 30 * time.Second
	DefaultMaxResponseBytes = 8 << 20
	DefaultUserAgent        = "fieldgate-go"
)

// A Gateway is where requests go to. By itself it makes those that need no
// credentials. It is safe for concurrent use; make one and keep it.
type Gateway struct {
	connection connection
	api        *Client
}

// An Option changes how a Gateway talks, for all that is made from it.
type Option func(*connection)

// WithTransport sends requests through this transport, for a private certificate
// authority, a client certificate or a proxy. Defaults to http.DefaultTransport.
func WithTransport(transport http.RoundTripper) Option {
	return func(c *connection) { c.client.Transport = transport }
}

// WithTimeout bounds each request, from connecting to the last byte of the answer.
// A Claim that waits has that much time more. Defaults to DefaultTimeout.
func WithTimeout(timeout time.Duration) Option {
	return func(c *connection) { c.timeout = timeout }
}

// WithMaxResponseBytes bounds the body of each answer, so that a faulty peer cannot
// use up the memory of a device. Defaults to DefaultMaxResponseBytes.
func WithMaxResponseBytes(limit int64) Option {
	return func(c *connection) { c.maxBytes = limit }
}

// WithUserAgent names the calling program and its version in every request, such as
// "pump-firmware/2.8.1". Defaults to DefaultUserAgent.
func WithUserAgent(userAgent string) Option {
	return func(c *connection) { c.userAgent = userAgent }
}

// New makes a Gateway. The base URL is all that stands before /api/v1, such as
// "https://gateway.example.com". Nothing is sent yet.
func New(baseURL string, options ...Option) (*Gateway, error) {
	server, err := checkBaseURL(baseURL)
	if err != nil {
		return nil, err
	}
	c := connection{
		server:      server,
		client:      &http.Client{CheckRedirect: followNone},
		timeout:     DefaultTimeout,
		maxBytes:    DefaultMaxResponseBytes,
		userAgent:   DefaultUserAgent,
		credentials: noCredentials,
	}
	for _, option := range options {
		option(&c)
	}
	if c.timeout <= 0 || c.maxBytes <= 0 {
		return nil, errors.New("fieldgate: the timeout and the limit on responses must be above zero")
	}
	return &Gateway{connection: c, api: c.api()}, nil
}

// checkBaseURL gives the URL back in the form that paths can be appended to.
func checkBaseURL(baseURL string) (string, error) {
	parsed, err := url.Parse(baseURL)
	switch {
	case err != nil:
		return "", fmt.Errorf("fieldgate: reading the base URL: %w", err)
	case parsed.Scheme != "http" && parsed.Scheme != "https", parsed.Host == "":
		return "", errors.New("fieldgate: the base URL must begin with http:// or https:// and a host")
	case parsed.User != nil, parsed.RawQuery != "", parsed.Fragment != "":
		return "", errors.New("fieldgate: the base URL must have no user, query or fragment")
	}
	return strings.TrimSuffix(parsed.String(), "/") + "/", nil
}

// Device gives the client of a registered device. It logs in when it is first used
// and keeps the login; make one and keep it.
func (g *Gateway) Device(deviceID, deviceSecret string) *DeviceClient {
	login := newLogin(func(ctx context.Context) (DeviceLogin, error) {
		return g.Authenticate(ctx, AuthenticateDeviceRequest{DeviceID: deviceID, DeviceSecret: deviceSecret})
	})
	return newDeviceClient(g.connection.as(login.token), login.token, login)
}

// DeviceWithToken gives the client of a device that logs in by other means, such as
// Authenticate. It never logs in by itself: a 401 is returned.
func (g *Gateway) DeviceWithToken(token TokenSource) *DeviceClient {
	return newDeviceClient(g.connection.as(token.credentials), token.anew, nil)
}

// Customer gives the client of a person or program at the customer, who is known by
// a JWT of their identity provider.
func (g *Gateway) Customer(token TokenSource) *CustomerClient {
	return &CustomerClient{api: g.connection.as(token.credentials).api(), handshakes: g.connection.as(token.anew)}
}

// Register makes a device known to the gateway and gives its id and secret, which the
// device must keep where they survive a reboot. A wrong, used or expired code is
// [CodeInvalidActivationCode]. After a lost answer, the same request with the same
// WithIdempotencyKey gives the same secret for 15 minutes.
func (g *Gateway) Register(ctx context.Context, device RegisterDeviceRequest, options ...CallOption) (RegisteredDevice, error) {
	return result[RegisteredDevice](g.api.RegisterDevice(ctx, nil, device, options...))
}

// Authenticate logs a device in once. A client from [Gateway.Device] does that by
// itself.
func (g *Gateway) Authenticate(ctx context.Context, device AuthenticateDeviceRequest) (DeviceLogin, error) {
	return result[DeviceLogin](g.api.AuthenticateDevice(ctx, device))
}

// Health tells whether the gateway is alive, whatever the services it needs do.
func (g *Gateway) Health(ctx context.Context) (Health, error) {
	return result[Health](g.api.GetHealth(ctx))
}

// Readiness tells whether the instance that answers wants traffic, and why not. An
// instance that is not ready is no error.
func (g *Gateway) Readiness(ctx context.Context) (Readiness, error) {
	resp, err := g.api.GetReadiness(ctx)
	if err == nil && resp.StatusCode == http.StatusServiceUnavailable && mediaType(resp) == jsonType {
		return decode[Readiness](resp)
	}
	return result[Readiness](resp, err)
}

// Version tells which version of the gateway answers.
func (g *Gateway) Version(ctx context.Context) (Version, error) {
	return result[Version](g.api.GetVersion(ctx))
}
