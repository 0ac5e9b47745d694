package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/gateway/admin"
	"github.com/fieldgate/fieldgate/handlers"
	"github.com/fieldgate/fieldgate/listen"
)

// maxSideConnections is the maximum number of connections to the metrics listener, and to the admin
// listener.
const maxSideConnections = 64

// listen opens the listeners of the API, the metrics and the operator.
func (g *Gateway) listen(ctx context.Context) (err error) {
	if g.cfg.TLSCertFile != "" {
		if g.certificate, err = listen.ReadCertificate(g.cfg.TLSCertFile, g.cfg.TLSKeyFile, g.log); err != nil {
			return err
		}
		measureCertificate(g.registry, g.certificate)
	}
	g.warnOfListeners()
	for _, l := range []struct {
		setting, addr string
		limit         int
		opened        **boundedListener
	}{
		{"FIELDGATE_ADDR", g.cfg.Addr, g.capacity.connections, &g.listener},
		{"FIELDGATE_METRICS_ADDR", g.cfg.MetricsAddr, maxSideConnections, &g.metrics},
		{"FIELDGATE_ADMIN_ADDR", g.cfg.AdminAddr, maxSideConnections, &g.admin},
	} {
		if l.addr == "" {
			continue
		}
		opened, err := listen.Open(ctx, l.addr, g.cfg.UnixSocketMode)
		if err != nil {
			return fmt.Errorf("opening %s: %w", l.setting, err)
		}
		*l.opened = newBoundedListener(opened, l.limit)
	}
	measureConnections(g.registry, g.listener, g.capacity)
	return nil
}

// serveAPI serves the API, with TLS if there is a certificate.
func (g *Gateway) serveAPI(failed chan<- error) {
	listener := net.Listener(g.listener)
	if g.cfg.ProxyProtocol {
		listener = listen.Proxied(listener, g.trusts, g.proxyRefused)
	}
	g.serve(g.server, listener, g.certificate, failed)
}

func (g *Gateway) trusts(addr netip.Addr) bool {
	return listen.IsAmong(g.cfg.TrustedProxies, addr)
}

// proxyRefused logs that a connection from a proxy was closed. A wrong setting closes all of them,
// so that only one a minute is logged.
func (g *Gateway) proxyRefused(peer net.Addr, err error) {
	if g.proxyWarning.allow() {
		g.log.Warn("closed a connection of a trusted proxy: check that the proxy sends the header, or set FIELDGATE_PROXY_PROTOCOL to off",
			"peer", peer.String(), "error", err)
	}
}

// throttle allows one log line a minute.
type throttle struct{ allowedAt atomic.Int64 } // Unix ns; 0 before the first

func (t *throttle) allow() bool {
	last, now := t.allowedAt.Load(), time.Now().UnixNano()
	return now-last >= int64(time.Minute) && t.allowedAt.CompareAndSwap(last, now)
}

// serve serves until the server is closed. Without a certificate, it serves without TLS.
func (g *Gateway) serve(server *http.Server, listener net.Listener, certificate *listen.Certificate, failed chan<- error) {
	serve := func() error { return server.Serve(listener) }
	if certificate != nil {
		server.TLSConfig = certificate.Config()
		serve = func() error { return server.ServeTLS(listener, "", "") }
	}
	g.workers.Go(func() {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serving on %s: %w", listener.Addr(), err)
		}
	})
}

// serveAdmin serves the admin listener. Other machines reach it with TLS if the API has a
// certificate; programs on this machine do not need the name in it.
func (g *Gateway) serveAdmin(failed chan<- error) *http.Server {
	server := &http.Server{
		Handler: admin.New(admin.Config{
			Token: &g.adminToken, Metrics: g.metricsHandler(), Level: g.cfg.LogLevel, Readiness: g.describe,
			Refused: g.adminRefused, Logger: g.log,
		}),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
	if g.admin == nil {
		return server
	}
	server.ConnState = g.admin.track
	var certificate *listen.Certificate
	if !listen.IsLocal(g.cfg.AdminAddr) {
		certificate = g.certificate
	}
	g.serve(server, g.admin, certificate, failed)
	return server
}

// adminRefused logs a wrong token, at most once a minute.
func (g *Gateway) adminRefused(r *http.Request) {
	if g.adminWarning.allow() {
		g.log.Warn("refused a request of the admin listener, because its token is wrong", "path", r.URL.Path, "peer", r.RemoteAddr)
	}
}

// describe returns the readiness of this instance in detail.
func (g *Gateway) describe(ctx context.Context) (detail any, ready bool) {
	d := handlers.InstanceDetail{Version: g.cfg.Version, LogLevel: g.cfg.LogLevel.Level().String()}
	d.Connections = handlers.Used{Open: g.listener.open(), Max: g.capacity.connections}
	if g.certificate != nil {
		d.CertificateExpires = fieldgate.At(g.certificate.NotAfter())
	}
	if !g.assembled.Load() {
		d.Problem = "the store has not been reached yet"
		return d, false
	}
	d.Readiness = g.health.Readiness(ctx)
	devices, users := g.hub.Count()
	d.Sockets = handlers.Used{Open: devices + users, Max: g.capacity.sockets}
	d.SweepLagMs = g.store.SweepLag().Milliseconds()
	d.IssuerKeysFetched = fieldgate.At(g.verifier.KeysFetchedAt())
	return d, d.Ready
}
