package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Load reads a scenario from a file. The error names the file, and each field that is wrong.
func Load(path string) (Scenario, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return Scenario{}, fmt.Errorf("reading the scenario: %w", err)
	}
	s, err := Parse(content)
	if err != nil {
		return Scenario{}, fmt.Errorf("reading the scenario %s: %w", path, err)
	}
	return s, nil
}

// Parse reads a scenario in YAML or JSON. It returns an error for an unknown field, for a second
// document, and for a value that is out of range.
func Parse(content []byte) (Scenario, error) {
	var s Scenario
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	err := decoder.Decode(&s)
	switch {
	case errors.Is(err, io.EOF):
		return Scenario{}, errors.New("the file is empty")
	case err != nil:
		return Scenario{}, plain(err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Scenario{}, errors.New("the file must have one document")
	}
	return s, s.check()
}

// goType matches the name of a Go type in an error of the YAML package.
var goType = regexp.MustCompile(` not found in type [\w.]+`)

// plain returns an error of the YAML package without the names of Go types.
func plain(err error) error {
	var mistyped *yaml.TypeError
	if !errors.As(err, &mistyped) {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	problems := make([]string, len(mistyped.Errors))
	for i, problem := range mistyped.Errors {
		if goType.MatchString(problem) {
			problem = strings.Replace(goType.ReplaceAllString(problem, ""), ": field ", ": unknown field ", 1)
		}
		problems[i] = strings.ReplaceAll(problem, "into time.Duration", "as a duration such as 60s")
	}
	return errors.New(strings.Join(problems, "; "))
}

// check returns an error for each value that is out of range.
func (s *Scenario) check() error {
	var c checks
	c.require(s.Devices > 0, "devices", "must be above zero")
	c.require(s.Tenants > 0 && s.Tenants <= s.Devices, "tenants", "must be above zero, and at most the number of devices")
	c.share("sockets", s.Sockets)
	c.require(s.Processes >= 0 && s.Processes <= s.Tenants, "processes", "must be at most the number of tenants, each of which is played by one process")
	c.require(s.Sources == "" || isNetwork(s.Sources), "sources", "must be an IPv4 network such as 127.1.0.0/25, with at least four addresses")
	c.require(s.Settle > 0, "settle", "must be a duration above zero, such as 60s")
	s.Device.check(&c)
	s.Gateways.check(&c)
	c.require(len(s.Phases) > 0, "phases", "must have a phase")
	for i, p := range s.Phases {
		p.check(&c, fmt.Sprintf("phases[%d].", i))
		c.require((i == 0) == (p.Register > 0), fmt.Sprintf("phases[%d].register", i), "must be above zero in the first phase, and absent in the others")
	}
	return errors.Join(c...)
}

func isNetwork(text string) bool {
	prefix, err := netip.ParsePrefix(text)
	return err == nil && prefix == prefix.Masked() && prefix.Addr().Is4() && prefix.Bits() <= 30
}

func (d Device) check(c *checks) {
	c.require(d.HeartbeatEvery >= 0, "device.heartbeatEvery", "must not be negative")
	c.require(d.PollWait > 0 && d.PollWait <= 30*time.Second, "device.pollWait", "must be a duration up to 30s")
	c.require(d.Work >= 0 && d.Work < d.Lease, "device.work", "must be shorter than device.lease")
	c.require(d.Lease >= time.Second && d.Lease <= time.Hour, "device.lease", "must be a duration from 1s to 1h")
}

func (g Gateways) check(c *checks) {
	c.require(g.Instances >= 0, "gateways.instances", "must not be negative")
	c.require(g.Instances == 0 || g.Redis == 1 || g.Redis >= 3, "gateways.redis", "must be 1, or at least 3 for a Cluster")
	for name := range g.Settings {
		c.require(strings.HasPrefix(name, "FIELDGATE_"), "gateways.settings."+name, "must begin with FIELDGATE_")
	}
}

// check checks a phase whose fields have the prefix at.
func (p Phase) check(c *checks, at string) {
	c.require(p.Name != "", at+"name", "must not be empty")
	c.require(p.Duration > 0, at+"duration", "must be a duration above zero, such as 60s")
	c.require(p.Register >= 0, at+"register", "must not be negative")
	c.require(p.Visits >= 0, at+"visits", "must not be negative")
	c.require(p.Commands >= 0 && (p.Visits == 0 || p.Commands > 0), at+"commands", "must be above zero in a phase with visits")
	c.share(at+"approvals", p.Approvals)
	disturbances := 0
	if p.Storm != nil {
		disturbances++
		c.share(at+"storm.share", p.Storm.Share)
	}
	if p.Roll != nil {
		disturbances++
	}
	if p.Kill != nil {
		disturbances++
		c.require(p.Kill.RestartAfter >= 0, at+"kill.restartAfter", "must not be negative")
	}
	c.require(disturbances < 2, strings.TrimSuffix(at, "."), "must have at most one of storm, roll and kill")
	disturbed, _ := p.Disturbed()
	c.require(disturbed >= 0 && (disturbed == 0 || disturbed < p.Duration), at+"at", "must be within the duration of the phase")
}

// checks collects what is wrong with a scenario.
type checks []error

func (c *checks) require(ok bool, field, rule string) {
	if !ok {
		*c = append(*c, fmt.Errorf("%s %s", field, rule))
	}
}

func (c *checks) share(field string, value float64) {
	c.require(value >= 0 && value <= 1, field, "must be from 0 to 1")
}
