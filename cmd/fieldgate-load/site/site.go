package site

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/report"
)

// drainTimeout limits the time that an instance takes to shut down.
const drainTimeout = 2 * time.Minute

// Config configures a Site. All fields are required.
type Config struct {
	Program   string            // path of the program of the gateway
	Secret    string            // with which the tokens of users are signed
	Instances int               // number of instances of the gateway
	Redis     int               // number of masters; more than one are a Cluster
	Settings  map[string]string // of the gateways, by the names of their environment variables
}

// Site is the gateways and the Redis of a load test.
type Site struct {
	config   Config
	dir      string // removed by Close; has the data of Redis and the logs
	storeURL string
	started  int // number of instances that were started, used by one goroutine at a time

	mu       sync.Mutex
	servers  []*server
	gateways []*gateway
	behind   []string // addresses that the balancer uses
}

// Start starts Redis and the instances. If it fails, it stops what it has started.
func Start(ctx context.Context, config Config) (*Site, error) {
	dir, err := os.MkdirTemp("", "fieldgate-load-")
	if err != nil {
		return nil, fmt.Errorf("creating the folder of the load test: %w", err)
	}
	s := &Site{config: config, dir: dir}
	if s.servers, s.storeURL, err = startRedis(ctx, dir, config.Redis); err != nil {
		s.Close()
		return nil, err
	}
	for range config.Instances {
		if err := s.add(ctx); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// add starts an instance and puts it behind the balancer.
func (s *Site) add(ctx context.Context) error {
	g, err := s.startGateway(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gateways, s.behind = append(s.gateways, g), append(s.behind, g.addr)
	return nil
}

// Targets returns the addresses of the instances that the balancer uses.
func (s *Site) Targets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.behind...)
}

// Dir returns the folder with the logs and the data.
func (s *Site) Dir() string { return s.dir }

// Roll replaces each instance by a new one, one after the other. It calls moved when the targets
// have changed.
func (s *Site) Roll(ctx context.Context, moved func()) error {
	for _, old := range s.running() {
		if err := s.add(ctx); err != nil {
			return err
		}
		moved()
		if err := s.drain(ctx, old, moved); err != nil {
			return err
		}
	}
	return nil
}

// drain shuts an instance down. The balancer stops using it when its health check fails.
func (s *Site) drain(ctx context.Context, old *gateway, moved func()) error {
	if err := old.terminate(); err != nil {
		return err
	}
	if err := await(ctx, old.name+" reports that it drains", func() bool { return !old.isReady(ctx) }); err != nil {
		return err
	}
	s.remove(old)
	moved()
	select {
	case <-old.exited:
		return nil
	case <-time.After(drainTimeout):
		return fmt.Errorf("%s did not shut down in %s", old.name, drainTimeout)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kill ends the oldest instance with SIGKILL, and starts another one after a time unless that is
// zero. It calls moved when the targets have changed.
func (s *Site) Kill(ctx context.Context, restartAfter time.Duration, moved func()) error {
	killed := s.running()[0]
	killed.kill()
	s.remove(killed)
	moved()
	if restartAfter == 0 {
		return nil
	}
	select {
	case <-time.After(restartAfter):
	case <-ctx.Done():
		return ctx.Err()
	}
	err := s.add(ctx)
	moved()
	return err
}

func (s *Site) running() []*gateway {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*gateway(nil), s.gateways...)
}

// remove removes an instance from the balancer, and from those that run.
func (s *Site) remove(g *gateway) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, one := range s.gateways {
		if one == g {
			s.gateways = append(s.gateways[:i:i], s.gateways[i+1:]...)
			s.behind = append(s.behind[:i:i], s.behind[i+1:]...)
			return
		}
	}
}

// Usage returns what each process used since the last call, which was some time ago.
func (s *Site) Usage(since time.Duration) (all []report.Usage) {
	for _, g := range s.running() {
		all = append(all, g.Usage(since))
	}
	for _, r := range s.servers {
		all = append(all, r.Usage(since))
	}
	return all
}

// Close kills all processes and removes their data.
func (s *Site) Close() {
	for _, g := range s.running() {
		g.kill()
	}
	for _, r := range s.servers {
		r.stop()
	}
	_ = os.RemoveAll(s.dir)
}
