package schema

import (
	"encoding/json"

	"github.com/getkin/kin-openapi/openapi3"
)

// MaxValues is the name of the contract extension for an object of any shape. It limits the
// number of values in the object, at all levels.
const MaxValues = "x-max-values"

const (
	// escaped is the length of the longest escape for one character of the Basic Multilingual
	// Plane: \uXXXX. The escape of another character is twice as long, but in UTF-8 it takes
	// only four bytes.
	escaped = 6

	// bytesAny is the number of bytes allowed for each value of an object of any shape. The
	// shortest value takes two bytes. By default Python escapes all characters that are not
	// ASCII, which at worst triples a text.
	bytesAny = 6

	// unbounded is the length allowed for a string whose schema has no maxLength.
	unbounded = 1024

	// scalar is the maximum length of a number, true, false or null.
	scalar = 32

	// smallest is the minimum of the bound on bytes, and fewest the minimum of the bound on
	// values. A text of smallest bytes can just hold fewest values.
	smallest = 4 << 10
	fewest   = smallest / 2
)

// BoundsOf derives the bounds of a JSON text from the schema of its value. Every value that
// matches the schema is within the bounds, plus a quarter for white space. The bounds allow
// every escape, except in a string that consists of escaped surrogate pairs. A text with slightly too many values is within the bounds too, so that the validator
// can report where they are.
func BoundsOf(s *openapi3.Schema) Bounds {
	size := sizeOf(s)
	bytes := (size.bytes*5/4 + smallest - 1) / smallest * smallest
	return Bounds{Bytes: int64(bytes), Values: max(2*size.values, fewest), String: max(size.text, smallest), Name: maxName, Depth: maxDepth}
}

// size is the maximum size of a value that matches a schema.
type size struct {
	bytes  int // bytes of the text
	values int
	text   int // bytes of the longest string
}

func (a size) plus(b size) size {
	return size{a.bytes + b.bytes, a.values + b.values, max(a.text, b.text)}
}

func (a size) times(n int) size { return size{a.bytes * n, a.values * n, a.text} }

func sizeOf(s *openapi3.Schema) size {
	switch {
	case s.Type.Is(openapi3.TypeString):
		return sizeOfString(s)
	case s.Type.Is(openapi3.TypeObject):
		return sizeOfObject(s)
	case s.Type.Is(openapi3.TypeArray):
		return sizeOf(s.Items.Value).times(int(valueOr(s.MaxItems, smallest))).plus(size{bytes: 2, values: 1})
	case len(s.AllOf) > 0:
		return sizeOfAll(s.AllOf)
	}
	return largest(append(s.OneOf, s.AnyOf...)).plus(size{bytes: scalar, values: 1})
}

func sizeOfString(s *openapi3.Schema) size {
	length := int(valueOr(s.MaxLength, unbounded))
	if len(s.Enum) > 0 {
		text, _ := json.Marshal(s.Enum) // the enum came from a JSON document, so this cannot fail
		length = len(text)
	}
	return size{bytes: escaped*length + 2, values: 1, text: escaped * length}
}

// sizeOfObject adds up the members. Each member has its name, two quotes, a colon and a comma.
func sizeOfObject(s *openapi3.Schema) size {
	total := size{bytes: 2, values: 1}
	for name, property := range s.Properties {
		total = total.plus(sizeOf(property.Value)).plus(size{bytes: len(name) + 4})
	}
	if values, ok := s.Extensions[MaxValues].(float64); ok {
		return total.plus(size{bytesAny * int(values), int(values), bytesAny * int(values)})
	}
	if more := s.AdditionalProperties.Schema; more != nil {
		named := sizeOf(more.Value).plus(size{bytes: 256})
		total = total.plus(named.times(int(valueOr(s.MaxProps, 64))))
	}
	return total
}

func sizeOfAll(parts openapi3.SchemaRefs) (total size) {
	for _, part := range parts {
		total = total.plus(sizeOf(part.Value))
	}
	return total
}

func largest(branches openapi3.SchemaRefs) (most size) {
	for _, branch := range branches {
		one := sizeOf(branch.Value)
		most = size{max(most.bytes, one.bytes), max(most.values, one.values), max(most.text, one.text)}
	}
	return most
}

func valueOr(value *uint64, otherwise uint64) uint64 {
	if value == nil {
		return otherwise
	}
	return *value
}
