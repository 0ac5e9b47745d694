package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/fleet"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/report"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/scenario"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/site"
)

// errBroken is the error of a load test in which a promise of the gateway did not hold.
var errBroken = errors.New("the load test found violations or a phase failed: see the report")

// runCommand plays a scenario.
type runCommand struct {
	Scenario string `arg:"" help:"File with the scenario."`

	URL        []string `name:"url" sep:"none" help:"Base URL of a running instance, or of the balancer; repeat it for each. Without it, the program starts instances and Redis on this machine."`
	SecretFile string   `type:"existingfile" help:"File with the secret with which the running instances verify tokens (FIELDGATE_JWT_SECRET). Required with --url."`
	Issuer     string   `help:"The claim iss of the tokens of users; empty for none."`
	Audience   string   `default:"authenticated" help:"The claim aud of the tokens of users."`
	Program    string   `help:"Program of the gateway that is started. Default: fieldgate beside this program, or in PATH."`
	JSON       string   `name:"json" type:"path" help:"File to which the report is also written, as JSON."`
}

// Run plays the scenario and prints the report.
func (c *runCommand) Run(ctx context.Context) error {
	s, err := scenario.Load(c.Scenario)
	if err != nil {
		return err
	}
	p, err := c.prepare(ctx, s)
	if err != nil {
		return err
	}
	defer p.close()
	result, err := p.play(ctx)
	if err != nil {
		return err
	}
	return c.publish(result)
}

// publish writes the report, and returns an error if a promise did not hold.
func (c *runCommand) publish(result report.Report) error {
	if err := result.WriteText(os.Stdout); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if c.JSON != "" {
		encoded, err := json.MarshalIndent(result, "", "  ")
		if err != nil {
			return fmt.Errorf("encoding the report: %w", err)
		}
		if err := os.WriteFile(c.JSON, append(encoded, '\n'), 0o644); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	if result.Failed() {
		return errBroken
	}
	return nil
}

// prepare starts the instances, unless they run already, and the processes that play the fleet.
func (c *runCommand) prepare(ctx context.Context, s scenario.Scenario) (*play, error) {
	p := &play{scenario: s}
	part := fleet.Part{Scenario: s, Run: "load-" + strings.ToLower(rand.Text()[:8]), Issuer: fleet.Issuer{Name: c.Issuer, Audience: c.Audience}}
	err := c.prepareGateways(ctx, p, &part)
	if err == nil {
		err = p.startPlayers(part)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (c *runCommand) prepareGateways(ctx context.Context, p *play, part *fleet.Part) (err error) {
	if len(c.URL) > 0 {
		return c.useRunning(p, part)
	}
	if p.scenario.Gateways.Instances == 0 {
		return errors.New("the scenario has no gateways.instances: name running instances with --url and --secret-file")
	}
	program, err := c.program()
	if err != nil {
		return err
	}
	part.Issuer.Secret = rand.Text() + rand.Text()
	g := p.scenario.Gateways
	p.site, err = site.Start(ctx, site.Config{Program: program, Secret: part.Issuer.Secret, Instances: g.Instances, Redis: g.Redis, Settings: g.Settings})
	if err != nil {
		return err
	}
	part.Targets, part.URL = p.site.Targets(), "http://gateway"
	return nil
}

// useRunning points the fleet at running instances. Their URLs may differ only in host and port.
func (c *runCommand) useRunning(p *play, part *fleet.Part) error {
	if name := p.scenario.NeedsOwnGateways(); name != "" {
		return fmt.Errorf("the phase %q rolls or kills instances, which this program can only do with those that it starts: remove the phase, or --url", name)
	}
	if c.SecretFile == "" {
		return errors.New("--url needs --secret-file, to sign the tokens of users")
	}
	secret, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return fmt.Errorf("reading the secret: %w", err)
	}
	part.Issuer.Secret, part.URL = strings.TrimSpace(string(secret)), c.URL[0]
	part.Targets, err = targetsOf(c.URL)
	return err
}

// targetsOf returns the addresses of URLs that differ only in host and port.
func targetsOf(urls []string) (targets []string, err error) {
	var first *url.URL
	for _, text := range urls {
		parsed, err := url.Parse(text)
		if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
			return nil, fmt.Errorf("--url %s: must begin with http:// or https:// and a host", text)
		}
		if first == nil {
			first = parsed
		}
		if parsed.Scheme != first.Scheme || parsed.Path != first.Path {
			return nil, fmt.Errorf("--url %s: must have the scheme and the path of %s", text, urls[0])
		}
		port := parsed.Port()
		if port == "" {
			port = parsed.Scheme // the name of a service is a port too
		}
		targets = append(targets, parsed.Hostname()+":"+port)
	}
	return targets, nil
}

// program returns the path of the gateway's program.
func (c *runCommand) program() (string, error) {
	if c.Program != "" {
		return c.Program, nil
	}
	if own, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(own), "fieldgate")
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	path, err := exec.LookPath("fieldgate")
	if err != nil {
		return "", fmt.Errorf("finding the program of the gateway: build it with make build, or name it with --program: %w", err)
	}
	return path, nil
}

// play is a load test that runs.
type play struct {
	scenario scenario.Scenario
	site     *site.Site // nil if the instances run already
	players  []*player
}

// play plays all phases, and returns the report.
func (p *play) play(ctx context.Context) (report.Report, error) {
	result := report.Report{Machine: machine(), Devices: p.scenario.Devices, Processes: len(p.players)}
	if p.site != nil {
		result.Instances, result.Redis = p.scenario.Gateways.Instances, p.scenario.Gateways.Redis
	}
	p.usage(time.Second)
	for i := range p.scenario.Phases {
		played, err := p.runPhase(ctx, i)
		if err != nil {
			return result, err
		}
		result.Phases = append(result.Phases, played)
		fmt.Fprintf(os.Stderr, "phase %q has ended after %.0f s\n", played.Name, played.Seconds)
		if played.Failure != "" {
			break
		}
	}
	ledger, err := p.settle()
	result.Ledger = ledger
	return result, err
}

// runPhase plays a phase in all processes, and disturbs the instances as it says.
func (p *play) runPhase(ctx context.Context, i int) (report.Phase, error) {
	began := time.Now()
	disturbed := make(chan error, 1)
	go func() { disturbed <- p.disturb(ctx, p.scenario.Phases[i]) }()
	var all report.Phase
	err := p.ask(fleet.Request{Phase: &i}, func(r fleet.Response) error {
		if r.Phase == nil {
			return errors.New("a process of the fleet did not report a phase")
		}
		all.Merge(*r.Phase)
		return nil
	})
	if err != nil {
		return all, err
	}
	if err := <-disturbed; err != nil {
		all.Failure = err.Error()
	}
	all.Usage = p.usage(time.Since(began))
	return all, nil
}

// disturb rolls or kills instances, if the phase says so.
func (p *play) disturb(ctx context.Context, phase scenario.Phase) error {
	at, _ := phase.Disturbed()
	if phase.Roll == nil && phase.Kill == nil {
		return nil
	}
	select {
	case <-time.After(at):
	case <-ctx.Done():
		return ctx.Err()
	}
	if phase.Roll != nil {
		return p.site.Roll(ctx, p.moved)
	}
	return p.site.Kill(ctx, phase.Kill.RestartAfter, p.moved)
}

// moved sends the fleet the addresses of the instances that the balancer uses from now on.
func (p *play) moved() {
	for _, one := range p.players {
		_ = one.send(fleet.Request{Targets: p.site.Targets()}) // a process that has ended fails its phase
	}
}

// settle waits until all commands have ended, and returns the ledger of the whole fleet.
func (p *play) settle() (all report.Ledger, err error) {
	err = p.ask(fleet.Request{Settle: true}, func(r fleet.Response) error {
		if r.Ledger == nil {
			return errors.New("a process of the fleet did not report its ledger")
		}
		all.Merge(*r.Ledger)
		return nil
	})
	return all, err
}

// ask sends a request to all processes, and then reads a response of each.
func (p *play) ask(request fleet.Request, each func(fleet.Response) error) error {
	for _, one := range p.players {
		if err := one.send(request); err != nil {
			return err
		}
	}
	for _, one := range p.players {
		response, err := one.receive()
		if err != nil {
			return err
		}
		if err := each(response); err != nil {
			return err
		}
	}
	return nil
}

// usage returns what each process used since the last call, which was some time ago.
func (p *play) usage(since time.Duration) (all []report.Usage) {
	if p.site != nil {
		all = p.site.Usage(since)
	}
	for _, one := range p.players {
		all = append(all, one.usage.Usage(since))
	}
	return all
}

// close ends the processes.
func (p *play) close() {
	for _, one := range p.players {
		one.stop()
	}
	if p.site != nil {
		p.site.Close()
	}
}
