package site

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// gateway is an instance of the gateway.
type gateway struct {
	*Process
	addr string
}

// startGateway starts an instance and waits until it is ready. Its log goes to a file of the folder.
func (s *Site) startGateway(ctx context.Context) (*gateway, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("gateway %d", s.started)
	s.started++
	log, err := os.Create(filepath.Join(s.dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("creating the log of a gateway: %w", err)
	}
	defer log.Close() // the process has a descriptor of its own
	cmd := exec.Command(s.config.Program, "serve")
	cmd.Env = append(s.environment(), "FIELDGATE_ADDR=127.0.0.1:"+port)
	p, err := start(name, cmd, log)
	if err != nil {
		return nil, err
	}
	g := &gateway{p, "127.0.0.1:" + port}
	if err := await(ctx, name+" is ready; its log is "+log.Name(), func() bool { return g.isReady(ctx) }); err != nil {
		g.kill()
		return nil, err
	}
	return g, nil
}

// environment returns the environment of an instance: defaults of a load test, and the settings of
// the scenario. Variables of this program that begin with FIELDGATE_ are not passed on.
func (s *Site) environment() []string {
	settings := map[string]string{
		"FIELDGATE_REDIS_URL": s.storeURL, "FIELDGATE_JWT_SECRET": s.config.Secret, "FIELDGATE_METRICS_ADDR": "off",
		"FIELDGATE_DRAIN_DELAY": "3s", // the balancer of the load test looks more often than one of a cloud
	}
	for name, value := range s.config.Settings {
		settings[name] = value
	}
	environment := []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range settings {
		environment = append(environment, name+"="+value)
	}
	return environment
}

// isReady reports whether the instance responds that it is ready.
func (g *gateway) isReady(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.addr+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}
