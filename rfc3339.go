package fieldgate

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// rfc3339 matches the date-time of RFC 3339, section 5.6. time.Parse is not equivalent. It
// also accepts an hour of one digit, a comma before the fraction and an offset of 24 hours,
// but rejects a leap second, and t and z in lower case.
var rfc3339 = regexp.MustCompile(
	`^(\d{4}-\d\d-\d\d)[Tt]((?:[01]\d|2[0-3]):[0-5]\d):([0-5]\d|60)(\.\d+)?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$`)

var errNoTime = errors.New("not a date and time of RFC 3339")

// ParseTime parses an RFC 3339 time and returns it in UTC. It drops digits beyond nanoseconds.
// It converts a leap second to the following second, because Go's time has no leap seconds. It
// returns an error for a year in UTC outside 0000 to 9999, because RFC 3339 cannot express
// such a year.
func ParseTime(text string) (time.Time, error) {
	parts := rfc3339.FindStringSubmatch(text)
	if parts == nil {
		return time.Time{}, errNoTime
	}
	date, minute, second, fraction, zone := parts[1], parts[2], parts[3], parts[4], parts[5]
	var leap time.Duration
	if second == "60" {
		second, leap = "59", time.Second
	}
	t, err := time.Parse(time.RFC3339, date+"T"+minute+":"+second+strings.ToUpper(zone))
	if err != nil {
		return time.Time{}, errNoTime
	}
	t = t.UTC()
	if leap != 0 && (t.Hour() != 23 || t.Minute() != 59) {
		return time.Time{}, errNoTime // a leap second must end a day in UTC (RFC 3339, section 5.7)
	}
	t = t.Add(leap + nanoseconds(fraction))
	if t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}, errNoTime
	}
	return t, nil
}

// nanoseconds returns the duration of a fraction of a second. The fraction is empty or begins
// with a dot.
func nanoseconds(fraction string) time.Duration {
	const digits = 9
	padded := (strings.TrimPrefix(fraction, ".") + strings.Repeat("0", digits))[:digits]
	n, _ := strconv.ParseInt(padded, 10, 64) // the pattern accepts only digits, so this cannot fail
	return time.Duration(n)
}
