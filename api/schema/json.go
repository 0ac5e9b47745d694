package schema

import "github.com/fieldgate/fieldgate"

// These are the amounts of memory for decoded values in addition to their text, in bytes.
// TestDecode_HoldsNoMoreThanIsAdmitted measures them.
const (
	bytesOfValue  = 104 // one value: the amount for a member of an object, which is the largest
	bytesOfObject = 272 // further for an object: a map reserves room for eight members
)

// Decode decodes one JSON value. It is stricter than encoding/json. The text must be within the
// bounds of the schema, and must be UTF-8 without lone surrogates. Nothing may follow the value.
// No object may have the same field twice, because a proxy may use one of the two values and the
// gateway the other. Numbers keep their digits.
//
// Before decoding, Decode calls admit with the maximum number of bytes that the value will take.
// An error of admit is returned unchanged. All other errors have the code validation_failed.
func (s *Schema) Decode(data []byte, admit func(bytes int64) error) (any, error) {
	bytes, wrong := scan(data, s.Bounds)
	if wrong != nil {
		return nil, Invalid(*wrong)
	}
	if err := admit(bytes); err != nil {
		return nil, err
	}
	b := builder{text: data}
	value := b.value()
	if b.repeated {
		return nil, Invalid(fieldgate.FieldError{Keyword: "repeated", Reason: "has an object with a duplicate field"})
	}
	return value, nil
}

func malformedError(reason string) *fieldgate.FieldError {
	return &fieldgate.FieldError{Keyword: "syntax", Reason: reason}
}
