package fieldgate

import (
	"encoding/json"
	"time"
)

// timestampLayout is RFC 3339 with exactly three fractional digits. The JSON format of
// time.Time drops trailing zeros, so its length would vary.
const timestampLayout = `"2006-01-02T15:04:05.000Z07:00"`

// Timestamp is a time in the format of the contract: RFC 3339 in UTC with milliseconds.
// Responses omit an optional Timestamp that is zero.
type Timestamp struct{ time.Time }

// At converts t to a Timestamp.
func At(t time.Time) Timestamp { return Timestamp{Time: t} }

// MarshalJSON returns the time in UTC, truncated to milliseconds.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	return t.UTC().AppendFormat(nil, timestampLayout), nil
}

// UnmarshalJSON parses a JSON string with ParseTime.
func (t *Timestamp) UnmarshalJSON(data []byte) (err error) {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	t.Time, err = ParseTime(text)
	return err
}
