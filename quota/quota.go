// Package quota bounds what one tenant may use of an installation: devices, sessions,
// commands, bytes in the store, sockets and waiting claims. The limits of the installation
// apply to every tenant, and an operator may set other limits for one tenant.
//
// The scripts that create and free something count it and check the limits, atomically with
// their transition. This package holds the limits, reads the counts and repairs them.
package quota

import (
	"fmt"
	"slices"
	"strings"
)

// Name names a quota. The API, the store, the settings and the command line use this name.
type Name string

// The quotas.
const (
	Devices          Name = "devices"          // devices that are not decommissioned
	OpenSessions     Name = "openSessions"     // active support sessions
	ReadyCommands    Name = "readyCommands"    // commands with the status queued
	PendingApprovals Name = "pendingApprovals" // commands with the status pending_approval
	StoredBytes      Name = "storedBytes"      // bytes that devices, sessions and commands count
	Sockets          Name = "sockets"          // open sockets of devices and users, on all instances
	WaitingClaims    Name = "waitingClaims"    // claims that wait for a command on one instance
)

// Amounts holds one number for each quota: its limit, or what is in use of it. As a limit,
// zero means no limit.
type Amounts struct {
	Devices          int64
	OpenSessions     int64
	ReadyCommands    int64
	PendingApprovals int64
	StoredBytes      int64
	Sockets          int64
	WaitingClaims    int64
}

// Defaults returns the default limits of an installation.
func Defaults() Amounts {
	return Amounts{
		Devices:          100_000,
		OpenSessions:     10_000,
		ReadyCommands:    100_000,
		PendingApprovals: 10_000,
		StoredBytes:      4 << 30,
		Sockets:          20_000,
		WaitingClaims:    5_000,
	}
}

// Names returns the names of all quotas, in the order of the contract.
func Names() []Name {
	return []Name{Devices, OpenSessions, ReadyCommands, PendingApprovals, StoredBytes, Sockets, WaitingClaims}
}

// Field returns the number of a quota, for reading or writing. It panics for a name that
// Names does not return.
func (a *Amounts) Field(name Name) *int64 {
	fields := []*int64{
		&a.Devices, &a.OpenSessions, &a.ReadyCommands, &a.PendingApprovals, &a.StoredBytes, &a.Sockets, &a.WaitingClaims,
	}
	return fields[slices.Index(Names(), name)]
}

// ParseName returns the quota with a name, or an error that lists the names.
func ParseName(text string) (Name, error) {
	if name := Name(text); slices.Contains(Names(), name) {
		return name, nil
	}
	return "", fmt.Errorf("%q is not a quota: the quotas are %s", text, joinNames())
}

func joinNames() string {
	var names []string
	for _, name := range Names() {
		names = append(names, string(name))
	}
	return strings.Join(names, ", ")
}
