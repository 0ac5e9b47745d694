// Package scenario describes what a fleet does during a load test, and reads it from a file.
package scenario

import "time"

// Scenario describes a load test. README.md of the program documents the file.
type Scenario struct {
	// Seed begins the sequence of random numbers that chooses devices. With the same seed the choice is
	// the same; the order of concurrent calls is not.
	Seed uint64 `yaml:"seed"`

	// Devices is the number of devices of the fleet.
	Devices int `yaml:"devices"`

	// Tenants is the number of tenants to which the devices belong, the same number to each.
	Tenants int `yaml:"tenants"`

	// Sockets is the share of the devices that keep a socket, from 0 to 1. The others poll: they
	// send one waiting claim after another over HTTP.
	Sockets float64 `yaml:"sockets"`

	// Processes is the number of processes that play the fleet. Zero means as many as the limit of
	// open files requires.
	Processes int `yaml:"processes"`

	// Sources is a network of this machine, such as 127.1.0.0/25. The devices connect from its
	// addresses in turn. Empty means the address that the system selects.
	Sources string `yaml:"sources"`

	// Device is how each device behaves.
	Device Device `yaml:"device"`

	// Gateways are the instances that the program starts. They are not started if the program is
	// pointed at running ones.
	Gateways Gateways `yaml:"gateways"`

	// Phases follow each other.
	Phases []Phase `yaml:"phases"`

	// Settle is the maximum time after the last phase until all commands have ended.
	Settle time.Duration `yaml:"settle"`
}

// Device describes the behaviour of each device.
type Device struct {
	// HeartbeatEvery is the time between two heartbeats. Zero means no heartbeats.
	HeartbeatEvery time.Duration `yaml:"heartbeatEvery"`

	// PollWait is the time that a waiting claim of a device without a socket waits at most.
	PollWait time.Duration `yaml:"pollWait"`

	// Work is the time that a device executes a command.
	Work time.Duration `yaml:"work"`

	// Lease is the time for which a device claims a command.
	Lease time.Duration `yaml:"lease"`
}

// Gateways are the instances that the program starts, with their Redis.
type Gateways struct {
	// Instances is the number of instances.
	Instances int `yaml:"instances"`

	// Redis is the number of masters: one for a single server, three or more for a Cluster without
	// replicas.
	Redis int `yaml:"redis"`

	// Settings are settings of the gateways, by the names of their environment variables.
	Settings map[string]string `yaml:"settings"`
}

// Phase is a part of the load test with a report of its own.
type Phase struct {
	// Name names the phase in the report.
	Name string `yaml:"name"`

	// Duration is how long the phase lasts. For a phase that registers devices it is the limit:
	// the phase ends as soon as each device is connected, and the load test fails at the limit.
	Duration time.Duration `yaml:"duration"`

	// Register is the number of devices that register each second. Zero means that none do.
	Register float64 `yaml:"register"`

	// Visits is the number of support sessions that users open each second. Zero means none.
	Visits float64 `yaml:"visits"`

	// Commands is the number of commands that a user proposes in a session. They are proposed one
	// after the other, and the session is closed after all have ended.
	Commands int `yaml:"commands"`

	// Approvals is the share of the commands that require an approval, from 0 to 1.
	Approvals float64 `yaml:"approvals"`

	// Storm breaks connections of devices at the same time.
	Storm *Storm `yaml:"storm"`

	// Roll replaces each instance by a new one, one after the other.
	Roll *Roll `yaml:"roll"`

	// Kill ends an instance with SIGKILL.
	Kill *Kill `yaml:"kill"`
}

// Storm breaks connections of devices at the same time.
type Storm struct {
	At    time.Duration `yaml:"at"`    // time since the start of the phase
	Share float64       `yaml:"share"` // share of the sockets, from 0 to 1
}

// Roll replaces each instance by a new one. The new one serves before the old one gets SIGTERM, and
// the balancer stops using the old one as soon as its /readyz returns 503.
type Roll struct {
	At time.Duration `yaml:"at"` // time since the start of the phase
}

// Kill ends an instance with SIGKILL, as a machine that loses its power.
type Kill struct {
	At           time.Duration `yaml:"at"`           // time since the start of the phase
	RestartAfter time.Duration `yaml:"restartAfter"` // time until another instance is started; zero means none is
}

// Disturbed returns the time since the start of the phase at which a storm, a roll or a kill begins.
// It returns false if there is none.
func (p Phase) Disturbed() (at time.Duration, ok bool) {
	switch {
	case p.Storm != nil:
		return p.Storm.At, true
	case p.Roll != nil:
		return p.Roll.At, true
	case p.Kill != nil:
		return p.Kill.At, true
	}
	return 0, false
}

// NeedsOwnGateways returns the name of the first phase that only works with gateways that the
// program starts, or "".
func (s *Scenario) NeedsOwnGateways() string {
	for _, p := range s.Phases {
		if p.Roll != nil || p.Kill != nil {
			return p.Name
		}
	}
	return ""
}
