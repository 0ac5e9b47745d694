// Package diagnosis describes what the checks of an installation have found.
package diagnosis

import (
	"fmt"
	"strings"
	"time"
)

// Level states how bad a finding is.
type Level string

// A gateway with a finding of level Failure does not start, or does not serve everyone. One with
// a Warning serves, but may lose data or stop later.
const (
	OK      Level = "ok"
	Warning Level = "warn"
	Failure Level = "fail"
)

// Finding is the result of one check.
type Finding struct {
	Check  string `json:"check"` // what was checked, such as "redis memory"
	Level  Level  `json:"level"`
	Detail string `json:"detail"` // what was found and, if it is a problem, how to mend it
}

// Good returns the finding of a check that found no problem.
func Good(check, format string, args ...any) Finding {
	return Finding{check, OK, fmt.Sprintf(format, args...)}
}

// Warn returns a finding of level Warning.
func Warn(check, format string, args ...any) Finding {
	return Finding{check, Warning, fmt.Sprintf(format, args...)}
}

// Fail returns a finding of level Failure.
func Fail(check, format string, args ...any) Finding {
	return Finding{check, Failure, fmt.Sprintf(format, args...)}
}

// Errors returns a failure for each line of err, which errors.Join separates. It returns none if
// err is nil.
func Errors(check string, err error) (findings []Finding) {
	if err == nil {
		return nil
	}
	for line := range strings.Lines(err.Error()) {
		findings = append(findings, Fail(check, "%s", strings.TrimSpace(line)))
	}
	return findings
}

// These are the times before the end of a certificate from which on it is a warning. Servers
// usually renew their certificates by themselves, some of them 30 days before the end. A file is
// replaced by hand.
const (
	ServerReserve = 14 * 24 * time.Hour
	FileReserve   = 30 * 24 * time.Hour
)

// Certificate returns the finding for a certificate that ends at the given time. It is a warning
// from the time reserve before that on.
func Certificate(check string, ends, now time.Time, reserve time.Duration) Finding {
	text := ends.UTC().Format(time.DateTime) + " UTC"
	switch {
	case !now.Before(ends):
		return Fail(check, "the certificate has expired at %s: renew it", text)
	case ends.Sub(now) < reserve:
		return Warn(check, "the certificate expires at %s: renew it", text)
	}
	return Good(check, "the certificate is valid until %s", text)
}

// The differences between two clocks that are a warning and a failure. Of a token, 30 s are
// tolerated.
const (
	clockWarning = 5 * time.Second
	clockFailure = 30 * time.Second
)

// Clock returns the finding for another clock that shows then, while the clock of this machine
// shows now.
func Clock(check string, then, now time.Time) Finding {
	difference := then.Sub(now).Abs().Round(time.Millisecond)
	switch {
	case difference > clockFailure:
		return Fail(check, "the clock differs from that of this machine by %s: synchronize both, for example with NTP", difference)
	case difference > clockWarning:
		return Warn(check, "the clock differs from that of this machine by %s: synchronize both, for example with NTP", difference)
	}
	return Good(check, "the clock differs from that of this machine by %s", difference)
}

// Failed returns the number of failures.
func Failed(findings []Finding) (count int) {
	for _, f := range findings {
		if f.Level == Failure {
			count++
		}
	}
	return count
}
