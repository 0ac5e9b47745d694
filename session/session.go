// Package session manages support sessions. A session is a period in which users may
// propose commands for one device. Its timeline contains the events of that period.
package session

import (
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// Status is the status of a session.
type Status string

// These are the statuses of a session. A session is active until a user closes it or its time
// has passed.
const (
	Active  Status = "active"
	Closed  Status = "closed"
	Expired Status = "expired"
)

// Session is a period in which users may propose commands for one device.
type Session struct {
	ID          string
	Tenant      string
	DeviceID    string
	Type        string // "diagnostic" or "remediation"
	Status      Status
	Description string
	CreatedBy   string          // the user's id
	Names       fieldgate.Names // names of the user
	CreatedAt   time.Time
	ExpiresAt   time.Time
	ClosedAt    time.Time // time at which the session ended; zero while the session is active
}

// decode converts a record to a Session. If the session's time has passed, its status is
// expired, even if the sweeper has not settled it yet.
func decode(id string, fields map[string]string, now time.Time) Session {
	s := Session{
		ID: id, Tenant: fields["tenant"], DeviceID: fields["device"],
		Type: fields["type"], Status: Status(fields["status"]), Description: fields["description"],
		CreatedBy: store.ActorID(fields["created_by"]), Names: fieldgate.Names{Name: fields["created_name"], Email: fields["created_email"]},
		CreatedAt: store.ParseTime(fields["created"]), ExpiresAt: store.ParseTime(fields["expires"]), ClosedAt: store.ParseTime(fields["closed"]),
	}
	if s.Status == Active && !s.ExpiresAt.After(now) {
		s.Status = Expired
	}
	if s.Status == Expired {
		s.ClosedAt = s.ExpiresAt
	}
	return s
}
