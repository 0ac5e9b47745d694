package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/fieldgate/fieldgate"
)

// Decode decodes one JSON value. It is stricter than encoding/json: the text must be
// UTF-8, nothing may follow the value, and no object may have a field twice, because a
// proxy may have read the other one of the two. Numbers keep their digits.
func Decode(data []byte) (any, *fieldgate.FieldError) {
	if !utf8.Valid(data) {
		return nil, malformedError("is not UTF-8")
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, malformedError(syntaxReason(err))
	}
	if rest := data[decoder.InputOffset():]; len(bytes.TrimLeft(rest, " \t\r\n")) > 0 {
		return nil, malformedError("has more than one JSON value")
	}
	if countWrittenMembers(data) != countDecodedMembers(value) {
		return nil, &fieldgate.FieldError{Keyword: "repeated", Reason: "has an object with a duplicate field"}
	}
	return value, nil
}

func malformedError(reason string) *fieldgate.FieldError {
	return &fieldgate.FieldError{Keyword: "syntax", Reason: reason}
}

// syntaxReason returns the position of a syntax error. The message of the error is not
// used, because it quotes the input.
func syntaxReason(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return "is not well-formed JSON at byte " + strconv.FormatInt(syntax.Offset, 10)
	}
	return "is not complete JSON"
}

// countWrittenMembers counts the members of all objects in well-formed JSON, which are
// the colons outside of strings.
func countWrittenMembers(data []byte) (members int) {
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
