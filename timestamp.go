package fieldgate

import "time"

// timestampLayout is RFC 3339 with exactly three digits of a second. Go's own
// JSON form drops trailing zeros, so its length would change from answer to answer.
const timestampLayout = `"2006-01-02T15:04:05.000Z07:00"`

// Timestamp is a time as the contract writes it: RFC 3339, in UTC, to the
// millisecond. The zero Timestamp is left out of answers where it is optional.
type Timestamp struct{ time.Time }

// At gives a time the form of the contract.
func At(t time.Time) Timestamp { return Timestamp{Time: t} }

// MarshalJSON writes the time in UTC with milliseconds; what is finer is cut off.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	return t.UTC().AppendFormat(nil, timestampLayout), nil
}
