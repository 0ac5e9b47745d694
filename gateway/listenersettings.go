package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"

	"github.com/fieldgate/fieldgate/api"
	"github.com/fieldgate/fieldgate/listen"
)

// DefaultUnixSocketMode lets the user and the group of the gateway connect to its Unix sockets.
const DefaultUnixSocketMode fs.FileMode = 0o660

// These are the values of Config.HSTS.
const (
	HSTSAuto = api.HSTSAuto
	HSTSOn   = api.HSTSOn
	HSTSOff  = api.HSTSOff
)

// checkListeners checks the settings of the addresses, of TLS and of the admin listener.
func (c Config) checkListeners() error {
	switch {
	case (c.TLSCertFile == "") != (c.TLSKeyFile == ""):
		return errors.New("only one of FIELDGATE_TLS_CERT_FILE and FIELDGATE_TLS_KEY_FILE is set: set both")
	case c.HSTS != HSTSAuto && c.HSTS != HSTSOn && c.HSTS != HSTSOff:
		return errors.New("FIELDGATE_HSTS must be auto, on or off")
	case c.UnixSocketMode&^fs.ModePerm != 0:
		return errors.New("FIELDGATE_UNIX_SOCKET_MODE must be permissions such as 0660")
	case c.ProxyProtocol && len(c.TrustedProxies) == 0:
		return errors.New("FIELDGATE_PROXY_PROTOCOL is on, but FIELDGATE_TRUSTED_PROXIES has no proxy whose header is accepted: set its network")
	}
	return errors.Join(c.checkAddresses(), c.checkAdmin())
}

// address is an address at which the gateway listens, and its setting.
type address struct{ setting, value string }

// addresses returns the addresses at which the gateway listens.
func (c Config) addresses() (used []address) {
	for _, a := range []address{
		{"FIELDGATE_ADDR", c.Addr}, {"FIELDGATE_METRICS_ADDR", c.MetricsAddr}, {"FIELDGATE_ADMIN_ADDR", c.AdminAddr},
	} {
		if a.value != "" {
			used = append(used, a)
		}
	}
	return used
}

// checkAddresses returns an error that names the first address that cannot be used.
func (c Config) checkAddresses() error {
	for _, a := range c.addresses() {
		if err := listen.Check(a.value); err != nil {
			return fmt.Errorf("reading %s: %w", a.setting, err)
		}
	}
	return nil
}

func (c Config) checkAdmin() error {
	switch {
	case c.AdminToken != "" && len(c.AdminToken) < minKeyBytes:
		return fmt.Errorf("FIELDGATE_ADMIN_TOKEN must have at least %d characters", minKeyBytes)
	case c.AdminAddr != "" && c.AdminToken == "" && !listen.IsLocal(c.AdminAddr):
		return errors.New("FIELDGATE_ADMIN_TOKEN is not set, but others than programs on this machine can connect to FIELDGATE_ADMIN_ADDR: set a token, or an address such as 127.0.0.1:9095")
	}
	return nil
}

// warnOfListeners logs what the settings of the addresses leave unprotected.
func (g *Gateway) warnOfListeners() {
	if g.cfg.Development {
		return
	}
	if g.cfg.servesPlainHTTP() {
		g.log.Warn("serving http without TLS to other machines, and no proxy in front is known: tokens can be read on the network; " +
			"set FIELDGATE_TLS_CERT_FILE and FIELDGATE_TLS_KEY_FILE, or FIELDGATE_TRUSTED_PROXIES if a proxy terminates TLS")
	}
	if g.cfg.AdminAddr != "" && g.certificate == nil && !listen.IsLocal(g.cfg.AdminAddr) {
		g.log.Warn("serving the admin listener without TLS to other machines: its token can be read on the network; set FIELDGATE_TLS_CERT_FILE and FIELDGATE_TLS_KEY_FILE")
	}
	if g.cfg.plainRedis() {
		g.log.Warn("connecting to Redis on another machine without TLS: tokens and results can be read on the network; use a rediss:// URL",
			"setting", "FIELDGATE_REDIS_URL")
	}
}

// servesPlainHTTP reports whether other machines reach the API without TLS, as far as the settings
// show.
func (c Config) servesPlainHTTP() bool {
	return c.TLSCertFile == "" && len(c.TrustedProxies) == 0 && !listen.IsLocal(c.Addr)
}

// plainRedis reports whether the connections to Redis leave this machine without TLS, as far as its
// URL shows.
func (c Config) plainRedis() bool {
	u, err := url.Parse(c.RedisURL)
	if err != nil || c.RedisURL == "" {
		return false
	}
	switch u.Scheme {
	case "redis", "redis+sentinel", "redis+cluster":
		return !listen.IsLoopback(u.Hostname())
	}
	return false
}
