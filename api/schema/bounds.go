package schema

import (
	"encoding/json"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// MaxValues is the name of the contract extension for an object of any shape. It limits the
// number of values in the object, at all levels.
const MaxValues = "x-max-values"

const (
	// escaped is the length of the escape \uXXXX. No character of the Basic Multilingual Plane
	// has a longer escape. The escape of any other character is twice as long.
	escaped = 6

	// bytesAny is the number of bytes allowed for each value of an object of any shape. The
	// shortest value takes two bytes. Escapes can triple that, because by default Python escapes
	// all characters that are not ASCII.
	bytesAny = 6

	// unbounded is the length allowed for a string whose schema has no maxLength.
	unbounded = 1024

	// scalar is the maximum length of a number, true, false or null.
	scalar = 32

	// minBytes is the minimum of Bounds.Bytes, and minValues is the minimum of Bounds.Values. A
	// text of minBytes bytes can hold up to minValues values.
	minBytes  = 4 << 10
	minValues = minBytes / 2
)

// BoundsOf derives the bounds of a JSON text from the schema of its value. The bounds admit every
// value that matches the schema, with a quarter more for white space. They admit every escaping,
// except of a long string of escaped surrogate pairs. They also admit slightly too many values, so
// that the validator can report where the surplus values are.
func BoundsOf(s *openapi3.Schema) Bounds {
	size := sizeOf(s)
	bytes := (size.bytes*5/4 + minBytes - 1) / minBytes * minBytes
	return Bounds{Bytes: int64(bytes), Values: max(2*size.values, minValues), String: max(size.text, minBytes), Name: maxName, Depth: maxDepth}
}

// size is the maximum size of a value that matches a schema.
type size struct {
	bytes  int // length of the text in bytes
	values int
	text   int // length of the longest string in bytes
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
		return sizeOf(s.Items.Value).times(int(valueOr(s.MaxItems, minBytes))).plus(size{bytes: 2, values: 1})
	case len(s.AllOf) > 0:
		return sizeOfAll(s.AllOf)
	}
	return largest(slices.Concat(s.OneOf, s.AnyOf)).plus(size{bytes: scalar, values: 1})
}

func sizeOfString(s *openapi3.Schema) size {
	length := int(valueOr(s.MaxLength, unbounded))
	if len(s.Enum) > 0 {
		text, _ := json.Marshal(s.Enum) // the enum came from a JSON document, so this cannot fail
		length = len(text)
	}
	return size{bytes: escaped*length + 2, values: 1, text: escaped * length}
}

// sizeOfObject adds up the sizes of all members. Each member also has a name, two quotes, a colon
// and a comma.
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
