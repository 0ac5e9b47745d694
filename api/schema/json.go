package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/fieldgate/fieldgate"
)

// Decode decodes one JSON value and is stricter than encoding/json: the text must
// be UTF-8, nothing may follow the value, and no object may name a member twice,
// since whoever looked at the request before us may have read another one of the two.
// Numbers stay as they were written.
func Decode(data []byte) (any, *fieldgate.FieldError) {
	if !utf8.Valid(data) {
		return nil, malformed("is not UTF-8")
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, malformed(whereMalformed(err))
	}
	if rest := data[decoder.InputOffset():]; len(bytes.TrimLeft(rest, " \t\r\n")) > 0 {
		return nil, malformed("has more than one JSON value")
	}
	if membersWritten(data) != membersKept(value) {
		return nil, &fieldgate.FieldError{Keyword: "repeated", Reason: "has an object that names a field twice"}
	}
	return value, nil
}

func malformed(reason string) *fieldgate.FieldError {
	return &fieldgate.FieldError{Keyword: "syntax", Reason: reason}
}

// whereMalformed gives the place of an error instead of its message, which quotes
// what was sent.
func whereMalformed(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return "is not well-formed JSON at byte " + strconv.FormatInt(syntax.Offset, 10)
	}
	return "is not complete JSON"
}

// membersWritten counts the members of all objects in well-formed JSON, which is to
// say the colons outside of strings.
func membersWritten(data []byte) (members int) {
	inString := false
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			inString = !inString
		case '\\':
			i++
		case ':':
			if !inString {
				members++
			}
		}
	}
	return members
}

// membersKept counts the members of all objects after decoding, which keeps one of
// each name.
func membersKept(value any) (members int) {
	switch value := value.(type) {
	case map[string]any:
		members = len(value)
		for _, member := range value {
			members += membersKept(member)
		}
	case []any:
		for _, item := range value {
			members += membersKept(item)
		}
	}
	return members
}
