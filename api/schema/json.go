package schema

import (
	"bytes"
	"encoding/json"

	"github.com/fieldgate/fieldgate"
)

// bytesOfValue is the memory that one decoded value takes beside its text. A member of an
// object takes the most.
const bytesOfValue = 96

// Decode decodes one JSON value. It is stricter than encoding/json: the text must be
// within the bounds of the schema and UTF-8 without half surrogates, nothing may follow
// the value, and no object may have a field twice, because a proxy may have read the other
// one of the two. Numbers keep their digits.
//
// Before anything is decoded, admit gets the bytes that the value takes at most. Its error
// is returned as it is. Other errors have the code validation_failed.
func (s *Schema) Decode(data []byte, admit func(bytes int64) error) (any, error) {
	values, members, wrong := scan(data, s.Bounds)
	if wrong != nil {
		return nil, Invalid(*wrong)
	}
	if err := admit(int64(values)*bytesOfValue + int64(len(data))); err != nil {
		return nil, err
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, Invalid(*malformedError("is not well-formed JSON"))
	}
	if members != countDecodedMembers(value) {
		return nil, Invalid(fieldgate.FieldError{Keyword: "repeated", Reason: "has an object with a duplicate field"})
	}
	return value, nil
}

func malformedError(reason string) *fieldgate.FieldError {
	return &fieldgate.FieldError{Keyword: "syntax", Reason: reason}
}

// countDecodedMembers counts the members of all objects after decoding, which keeps one
// of each name.
func countDecodedMembers(value any) (members int) {
	switch value := value.(type) {
	case map[string]any:
		members = len(value)
		for _, member := range value {
			members += countDecodedMembers(member)
		}
	case []any:
		for _, item := range value {
			members += countDecodedMembers(item)
		}
	}
	return members
}
