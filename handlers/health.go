package handlers

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/store"
)

// Health knows what the instance needs to serve: its store and the keys of the
// token issuer.
type Health struct {
	Version     string
	Environment string // "production", "development", ...
	Store       *store.Store

	// Issuer tells how the token issuer is.
	Issuer func() IssuerStatus

	// Grace is how long the store may be away before the instance says that it
	// is not ready: a short outage of a store that all instances share must not
	// take all of them out at once. Default: 3 s.
	Grace time.Duration

	started  time.Time
	lastGood atomic.Int64 // Unix nanoseconds of the store's last sign of life
	draining atomic.Bool
}

// IssuerStatus says how the token issuer is.
type IssuerStatus struct {
	Usable  bool          // tokens can be verified
	Problem string        // what is wrong, for a person; empty: nothing
	Latency time.Duration // of the last question; zero where none was asked
}

// Start begins the life of the instance. Nothing may be served before it.
func (h *Health) Start() {
	if h.Grace == 0 {
		h.Grace = 3 * time.Second
	}
	h.started = time.Now()
	h.HeardStore()
}

// Drain makes the instance say that it goes away.
func (h *Health) Drain() { h.draining.Store(true) }

// HeardStore notes that the store answered. Told of every round trip, an outage
// begins when the store was last heard of, and not when somebody last asked
// whether the instance is ready.
func (h *Health) HeardStore() { h.lastGood.Store(time.Now().UnixNano()) }

// redis asks the store for a sign of life. A failure counts once it has lasted.
func (h *Health) redis(ctx context.Context) (check generated.DependencyCheck, usable bool) {
	took, err := h.Store.Ping(ctx)
	if err == nil {
		h.HeardStore()
		return generated.DependencyCheck{Ok: true, LatencyMs: milliseconds(took)}, true
	}
	lasts := time.Since(time.Unix(0, h.lastGood.Load()))
	return generated.DependencyCheck{Error: "the store does not answer"}, lasts < h.Grace
}

func (h *Health) issuer() (check generated.DependencyCheck, usable bool) {
	status := h.Issuer()
	return generated.DependencyCheck{
		Ok: status.Problem == "", Error: status.Problem, LatencyMs: milliseconds(status.Latency),
	}, status.Usable
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}

// GetHealth says that the process is alive, whatever its dependencies do.
func (s *Server) GetHealth(context.Context, generated.GetHealthRequestObject) (generated.GetHealthResponseObject, error) {
	return generated.GetHealth200JSONResponse{Status: generated.HealthStatusOk, Timestamp: fieldgate.At(time.Now())}, nil
}

// GetReadiness says whether a balancer should send requests here.
func (s *Server) GetReadiness(ctx context.Context, _ generated.GetReadinessRequestObject) (generated.GetReadinessResponseObject, error) {
	redis, usable := s.health.redis(ctx)
	issuer, verifies := s.health.issuer()
	draining := s.health.draining.Load()
	answer := generated.Readiness{
		Ready:    usable && verifies && !draining,
		Draining: draining,
		Checks:   generated.ReadinessChecks{Redis: redis, Supabase: issuer},
	}
	if !answer.Ready {
		return generated.GetReadiness503JSONResponse(answer), nil
	}
	return generated.GetReadiness200JSONResponse(answer), nil
}

// GetVersion tells which version runs.
func (s *Server) GetVersion(context.Context, generated.GetVersionRequestObject) (generated.GetVersionResponseObject, error) {
	return generated.GetVersion200JSONResponse{Version: s.health.Version}, nil
}

// GetSystemInfo tells what an administrator may know: no secret, no address.
func (s *Server) GetSystemInfo(ctx context.Context, _ generated.GetSystemInfoRequestObject) (generated.GetSystemInfoResponseObject, error) {
	return generated.GetSystemInfo200JSONResponse{
		Version: s.health.Version, Build: build(), Environment: s.health.Environment,
		UptimeSeconds: int64(time.Since(s.health.started).Seconds()),
		Connections:   s.connections(),
		Services:      generated.Services{Redis: s.health.redisStatus(ctx), Supabase: s.health.issuerStatus()},
	}, nil
}

// connections counts the sockets of this instance.
func (s *Server) connections() generated.Connections {
	devices, customers := s.hub.Count()
	return generated.Connections{Devices: devices, Customers: customers}
}

func (h *Health) redisStatus(ctx context.Context) generated.ServiceStatus {
	check, _ := h.redis(ctx)
	status := generated.ServiceStatus{Ok: check.Ok, LatencyMs: check.LatencyMs, Error: check.Error}
	if info, err := h.Store.Info(ctx); err == nil {
		status.Version, status.Mode = info.Version, info.Mode
	}
	return status
}

func (h *Health) issuerStatus() generated.ServiceStatus {
	check, _ := h.issuer()
	return generated.ServiceStatus{Ok: check.Ok, LatencyMs: check.LatencyMs, Error: check.Error}
}

// build reads what the Go toolchain wrote into the binary.
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
