package store

import (
	"github.com/fieldgate/fieldgate"
)

// LoginCheck is the check of a device's login that a script makes before its transition, so that
// both take one round trip: see device/lua/login_check.lua. A script may run several times for
// one request. The first run counts the request, and the others only check the login again.
//
// A nil LoginCheck checks nothing. A LoginCheck belongs to one request, and is not safe for
// concurrent use.
type LoginCheck struct {
	// Login is the hash of the login token.
	Login string

	// Cost is what the request counts towards the device's rate limit. Zero means that it was
	// counted before.
	Cost int

	// Settings are the arguments of the check that follow the cost.
	Settings []any

	// Refused is called when a script has refused the login or the rate. It may be nil.
	Refused func()

	made bool
}

// noSettings stand for Settings in the arguments of a nil LoginCheck.
var noSettings = []any{"", "", "", "", "", ""}

// Keys returns the keys of the check: the login's record and the device's rate limit.
func (c *LoginCheck) Keys(d Device) []string {
	if c == nil {
		return []string{LoginKey(d.ID, ""), d.RateKey()}
	}
	return []string{LoginKey(d.ID, c.Login), d.RateKey()}
}

// Args returns the arguments of the check, followed by scriptArgs.
func (c *LoginCheck) Args(scriptArgs ...any) []any {
	if c == nil {
		return append(append([]any{""}, noSettings...), scriptArgs...)
	}
	cost := c.Cost
	if c.made {
		cost = 0
	}
	return append(append([]any{cost}, c.Settings...), scriptArgs...)
}

// Made reports whether a script has made the check.
func (c *LoginCheck) Made() bool { return c == nil || c.made }

// Note records the outcome of a script that made the check. If the outcome is unknown, the
// request counts as counted.
func (c *LoginCheck) Note(reply Reply) {
	if c == nil {
		return
	}
	c.made = true
	code := reply.Code()
	if c.Refused != nil && (code == fieldgate.CodeUnauthorized || code == fieldgate.CodeRateLimited) {
		c.Refused()
	}
}
