// Package session is the support session: the time in which people may propose
// commands for a device, and the timeline of what happened in it.
package session

import (
	"strconv"
	"strings"
	"time"
)

// Status is where a session stands.
type Status string

// A session is active until somebody closes it or its time is over.
const (
	Active  Status = "active"
	Closed  Status = "closed"
	Expired Status = "expired"
)

// Session is a time in which commands may be proposed for one device.
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
	ClosedAt    time.Time // when it ended; zero until then
}

// decode reads a session's record. A session that is over by the clock is expired
// from that moment on, whether or not the sweeper has noticed.
func decode(id string, fields map[string]string, now time.Time) Session {
	s := Session{
		ID: id, Tenant: fields["tenant"], DeviceID: fields["device"],
		Type: fields["type"], Status: Status(fields["status"]), Description: fields["description"],
		CreatedBy: strings.TrimPrefix(fields["created_by"], "user:"),
		CreatedAt: moment(fields["created"]), ExpiresAt: moment(fields["expires"]), ClosedAt: moment(fields["closed"]),
	}
	if s.Status == Active && !s.ExpiresAt.After(now) {
		s.Status = Expired
	}
	if s.Status == Expired {
		s.ClosedAt = s.ExpiresAt
	}
	return s
}

// moment reads Unix milliseconds; anything else is the zero time.
func moment(ms string) time.Time {
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}
