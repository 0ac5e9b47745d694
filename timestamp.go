package fieldgate

import (
	"encoding/json"
	"time"
)

// timestampLayout is RFC 3339 with exactly three fractional digits. The JSON format of
// time.Time drops trailing zeros, so that its length varies.
const timestampLayout = `"2006-01-02T15:04:05.000Z07:00"`

// Timestamp is a time in the format of the contract: RFC 3339, in UTC, with
// milliseconds. Responses omit a zero Timestamp where it is optional.
type Timestamp struct{ time.Time }

// At returns the Timestamp of a time.
func At(t time.Time) Timestamp { return Timestamp{Time: t} }

// MarshalJSON returns the time in UTC with milliseconds. It truncates finer parts.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	return t.UTC().AppendFormat(nil, timestampLayout), nil
}

// UnmarshalJSON reads a time as ParseTime does.
func (t *Timestamp) UnmarshalJSON(data []byte) (err error) {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	t.Time, err = ParseTime(text)
	return err
}
