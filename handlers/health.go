package handlers

import (
	"cmp"
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/store"
)

// Health checks the services that the instance needs: the store and the token issuer.
type Health struct {
	Version     string
	Environment string // "production", "development", ...
	Store       *store.Store

	// Issuer returns the status of the token issuer.
	Issuer func() IssuerStatus

	// Grace is how long writing to the store may fail before the instance becomes not ready. All
	// instances share the store, so a short outage must not remove all of them from the load
	// balancer.
	// Default: 3 s.
	Grace time.Duration

	startedAt time.Time
	draining  atomic.Bool

	mu   sync.Mutex // held while the store is probed
	last atomic.Pointer[storeProbe]
}

// probeEvery is the minimum interval between two probes of the store. Anyone may ask for the
// readiness, so callers share a probe.
const probeEvery = 500 * time.Millisecond

// storeProbe is the result of the last probe.
type storeProbe struct {
	at           time.Time
	took         time.Duration
	err          error
	refusedSince time.Time // first of the latest probes that were all refused; zero if the last one was not
}

// IssuerStatus is the status of the token issuer.
type IssuerStatus struct {
	Usable  bool          // tokens can be verified, or could be since the start of the instance
	Problem string        // a description for operators; empty if there is no problem
	Latency time.Duration // duration of the last probe; zero if there was none
}

// Start records the start of the instance. It must be called before any other method.
func (h *Health) Start() {
	if h.Grace == 0 {
		h.Grace = 3 * time.Second
	}
	h.startedAt = time.Now()
	h.last.Store(new(storeProbe))
}

// Drain makes the instance not ready.
func (h *Health) Drain() { h.draining.Store(true) }

// checkStore returns the result of the last probe of the store. usable is false once the store has
// not replied, or has refused writes, for Grace, and while this version cannot read its data.
func (h *Health) checkStore(ctx context.Context) (check generated.DependencyCheck, usable bool) {
	if h.Store.TooNew() {
		return dependencyCheckOf("the store has data of a later version: upgrade this instance", 0), false
	}
	p := h.probeStore(ctx)
	usable = h.isUsable(p)
	switch word := store.Refused(p.err); {
	case word != "":
		return dependencyCheckOf("the store refuses writes: "+word, 0), usable
	case p.err != nil:
		return dependencyCheckOf("the store does not respond", 0), usable
	case h.Store.Full():
		return dependencyCheckOf("the store is full: nothing new is accepted", p.took), usable
	}
	return dependencyCheckOf("", p.took), usable
}

// isUsable reports whether the store is usable after a probe.
func (h *Health) isUsable(p storeProbe) bool {
	switch {
	case store.Refused(p.err) != "":
		return time.Since(p.refusedSince) < h.Grace
	case p.err != nil:
		return time.Since(h.Store.LastReply()) < h.Grace
	}
	return true
}

// probeStore probes the store unless another caller has just done so. The probe writes, because a
// store that only reads cannot do the work of the gateway.
func (h *Health) probeStore(ctx context.Context) storeProbe {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := *h.last.Load()
	if time.Since(last.at) < probeEvery {
		return last
	}
	took, err := h.Store.Probe(context.WithoutCancel(ctx))
	next := storeProbe{at: time.Now(), took: took, err: err}
	if store.Refused(err) != "" {
		next.refusedSince = cmp.Or(last.refusedSince, next.at)
	}
	h.last.Store(&next)
	return next
}

func (h *Health) checkIssuer() (check generated.DependencyCheck, usable bool) {
	status := h.Issuer()
	return dependencyCheckOf(status.Problem, status.Latency), status.Usable
}

func dependencyCheckOf(problem string, latency time.Duration) generated.DependencyCheck {
	return generated.DependencyCheck{Ok: problem == "", Error: problem, LatencyMs: milliseconds(latency)}
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}

// GetHealth reports that the process is alive. It does not check other services.
func (s *Server) GetHealth(context.Context, generated.GetHealthRequestObject) (generated.GetHealthResponseObject, error) {
	return generated.GetHealth200JSONResponse(healthAt(time.Now())), nil
}

func healthAt(now time.Time) generated.Health {
	return generated.Health{Status: generated.HealthStatusOk, Timestamp: fieldgate.At(now)}
}

// GetReadiness reports whether a load balancer should send requests to this instance.
func (s *Server) GetReadiness(ctx context.Context, _ generated.GetReadinessRequestObject) (generated.GetReadinessResponseObject, error) {
	readiness := s.health.Readiness(ctx)
	if !readiness.Ready {
		return generated.GetReadiness503JSONResponse(readiness), nil
	}
	return generated.GetReadiness200JSONResponse(readiness), nil
}

// Readiness checks the services that the instance needs.
func (h *Health) Readiness(ctx context.Context) generated.Readiness {
	redis, storeUsable := h.checkStore(ctx)
	issuer, issuerUsable := h.checkIssuer()
	return readinessOf(redis, issuer, storeUsable && issuerUsable, h.draining.Load())
}

// InstanceDetail describes an instance to its operator: its readiness, and how much of it is in use.
type InstanceDetail struct {
	generated.Readiness

	Problem            string              `json:"problem,omitempty"` // why the readiness is not known; empty if it is
	Version            string              `json:"version"`
	LogLevel           string              `json:"logLevel"`
	Connections        Used                `json:"connections"` // to the API, including sockets
	Sockets            Used                `json:"sockets"`
	SweepLagMs         int64               `json:"sweepLagMs"`
	IssuerKeysFetched  fieldgate.Timestamp `json:"issuerKeysFetchedAt,omitzero"`  // absent if there are no keys
	CertificateExpires fieldgate.Timestamp `json:"certificateExpiresAt,omitzero"` // absent without TLS
}

// Used is a number of open connections or sockets, and the maximum on this instance.
type Used struct {
	Open int `json:"open"`
	Max  int `json:"max"`
}

// Ready reports whether a load balancer should send requests to the instance, as far as is known
// without a probe of the store: by the last one, and by the replies to other calls since.
func (h *Health) Ready() bool {
	_, issuerUsable := h.checkIssuer()
	storeUsable := !h.Store.TooNew() && time.Since(h.Store.LastReply()) < h.Grace && h.isUsable(*h.last.Load())
	return storeUsable && issuerUsable && !h.draining.Load()
}

func readinessOf(redis, issuer generated.DependencyCheck, usable, draining bool) generated.Readiness {
	return generated.Readiness{
		Ready: usable && !draining, Draining: draining,
		Checks: generated.ReadinessChecks{Redis: redis, Supabase: issuer},
	}
}

// GetVersion returns the version of the gateway.
func (s *Server) GetVersion(context.Context, generated.GetVersionRequestObject) (generated.GetVersionResponseObject, error) {
	return generated.GetVersion200JSONResponse(versionOf(s.health)), nil
}

func versionOf(h *Health) generated.Version { return generated.Version{Version: h.Version} }

// GetSystemInfo describes the instance for administrators. It returns no secret and no
// address.
func (s *Server) GetSystemInfo(ctx context.Context, _ generated.GetSystemInfoRequestObject) (generated.GetSystemInfoResponseObject, error) {
	redis, _ := s.health.checkStore(ctx)
	issuer, _ := s.health.checkIssuer()
	info, _ := s.health.Store.Info(ctx) // the error is ignored, because checkStore has reported it
	services := servicesOf(redis, issuer, info)
	return generated.GetSystemInfo200JSONResponse(systemInfoOf(s.health, services, s.connections())), nil
}

func systemInfoOf(h *Health, services generated.Services, connections generated.Connections) generated.SystemInfo {
	return generated.SystemInfo{
		Version: h.Version, Build: build(), Environment: h.Environment, UptimeSeconds: int64(time.Since(h.startedAt).Seconds()),
		Connections: connections, Services: services,
	}
}

// connections returns the number of open sockets of this instance.
func (s *Server) connections() generated.Connections {
	return connectionCountOf(s.hub.Count())
}

func connectionCountOf(devices, customers int) generated.Connections {
	return generated.Connections{Devices: devices, Customers: customers}
}

// servicesOf converts the checks of the store and of the issuer. Only the store has a version and
// a mode. Both are empty if the store does not respond.
func servicesOf(redis, issuer generated.DependencyCheck, info store.Info) generated.Services {
	return generated.Services{
		Redis: generated.ServiceStatus{
			Ok: redis.Ok, LatencyMs: redis.LatencyMs, Error: redis.Error, Version: info.Version, Mode: info.Mode,
		},
		Supabase: generated.ServiceStatus{Ok: issuer.Ok, LatencyMs: issuer.LatencyMs, Error: issuer.Error},
	}
}

// BuildCommit returns the commit that the binary was built from, or "unknown".
func BuildCommit() string { return build().Commit }

// build returns the build information that the Go toolchain recorded in the binary.
func build() generated.Build {
	b := generated.Build{Go: runtime.Version(), Commit: "unknown", Time: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Commit = setting.Value
		case "vcs.time":
			b.Time = setting.Value
		}
	}
	return b
}
