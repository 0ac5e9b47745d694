// Package session manages support sessions. A session is a period in which users may
// propose commands for one device. Its timeline contains the events of that period.
package session

import (
	"strconv"
	"strings"
	"time"
)

// Status is the status of a session.
type Status string

// A session is active until a user closes it or it expires.
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
	CreatedBy   string // the user's id
	CreatedAt   time.Time
	ExpiresAt   time.Time
	ClosedAt    time.Time // time at which the session was closed or expired; zero while it is active
}

// decode returns the session of a record. A session whose time has passed is expired,
// even if the sweeper has not ended it yet.
func decode(id string, fields map[string]string, now time.Time) Session {
	s := Session{
		ID: id, Tenant: fields["tenant"], DeviceID: fields["device"],
		Type: fields["type"], Status: Status(fields["status"]), Description: fields["description"],
		CreatedBy: strings.TrimPrefix(fields["created_by"], "user:"),
		CreatedAt: parseMillis(fields["created"]), ExpiresAt: parseMillis(fields["expires"]), ClosedAt: parseMillis(fields["closed"]),
	}
	if s.Status == Active && !s.ExpiresAt.After(now) {
		s.Status = Expired
	}
	if s.Status == Expired {
		s.ClosedAt = s.ExpiresAt
	}
	return s
}

// parseMillis parses a time in Unix milliseconds. It returns the zero time for any
// other text.
func parseMillis(ms string) time.Time {
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}
