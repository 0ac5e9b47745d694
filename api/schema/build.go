package schema

import (
	"encoding/json"
	"strings"
)

// builder decodes a JSON text that scan has accepted. It therefore knows that the text is
// well-formed and not nested too deeply. The values are those of encoding/json with UseNumber,
// which reads the text twice more and needs three times as long.
type builder struct {
	text     []byte
	at       int
	repeated bool // an object has the same name twice
}

// next skips white space and separators, and returns the byte at the position reached.
func (b *builder) next() byte {
	for strings.IndexByte(" \t\r\n,:", b.text[b.at]) >= 0 {
		b.at++
	}
	return b.text[b.at]
}

// value decodes the next value.
func (b *builder) value() any {
	switch b.next() {
	case '{':
		return b.object()
	case '[':
		return b.array()
	case '"':
		return b.string()
	case 't':
		b.at += len("true")
		return true
	case 'f':
		b.at += len("false")
		return false
	case 'n':
		b.at += len("null")
		return nil
	}
	return b.number()
}

// object decodes an object. Of members with the same name, it keeps the last.
func (b *builder) object() map[string]any {
	object := map[string]any{}
	for b.at++; b.next() != '}'; {
		name := b.string()
		_, found := object[name]
		b.repeated = b.repeated || found
		object[name] = b.value()
	}
	b.at++
	return object
}

func (b *builder) array() []any {
	array := []any{}
	for b.at++; b.next() != ']'; {
		array = append(array, b.value())
	}
	b.at++
	return array
}

// string decodes a string. It copies the text, of which a handler may keep a part for long.
func (b *builder) string() string {
	start, escaped := b.at, false
	for b.at++; b.text[b.at] != '"'; b.at++ {
		if b.text[b.at] == '\\' {
			escaped = true
			b.at++
		}
	}
	b.at++
	quoted := b.text[start:b.at]
	if !escaped {
		return string(quoted[1 : len(quoted)-1])
	}
	var decoded string
	_ = json.Unmarshal(quoted, &decoded) // the string is well-formed, so this cannot fail
	return decoded
}

func (b *builder) number() json.Number {
	start := b.at
	for b.at < len(b.text) && strings.IndexByte("+-.0123456789eE", b.text[b.at]) >= 0 {
		b.at++
	}
	return json.Number(b.text[start:b.at])
}
