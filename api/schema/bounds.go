package schema

import (
	"encoding/json"

	"github.com/getkin/kin-openapi/openapi3"
)

// MaxValues is the extension of the contract that bounds an object of any shape: the
// number of its values at all levels.
const MaxValues = "x-max-values"

const (
	// escaped is the length of the longest escape that stands for one character of the
	// Basic Multilingual Plane: \uXXXX.
	escaped = 6

	// bytesAny is the number of bytes that the text of an object of any shape may have for
	// each of its values: the shortest value takes two, and Python escapes all that is not
	// ASCII unless told otherwise, which triples a text at worst.
	bytesAny = 6

	// unbounded is the length that a string is allowed for which the contract states none.
	unbounded = 1024

	// scalar is the longest a number, true, false or null is written.
	scalar = 32

	// smallest is the bound of the smallest body, in bytes, and fewest that of its values,
	// which such a body can just hold.
	smallest = 4 << 10
	fewest   = smallest / 2
)

// BoundsOf derives the bounds of a text from the schema that its value has to match: a
// value within the schema is within them however it is escaped, with a quarter for white
// space. A text with a few values too many is within them too, so that the schema can say
// where they are.
func BoundsOf(s *openapi3.Schema) Bounds {
	size := sizeOf(s)
	bytes := (size.bytes*5/4 + smallest - 1) / smallest * smallest
	return Bounds{Bytes: int64(bytes), Values: max(2*size.values, fewest), String: max(size.text, smallest), Name: maxName, Depth: maxDepth}
}

// size is the most that a value of a schema takes.
type size struct {
	bytes  int // written
	values int
	text   int // its longest string, in bytes
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
		text, _ := json.Marshal(s.Enum) // they came from a JSON document
		length = len(text)
	}
	return size{bytes: escaped*length + 2, values: 1, text: escaped * length}
}

// sizeOfObject adds up the members, each with its name, two quotes, a colon and a comma.
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
