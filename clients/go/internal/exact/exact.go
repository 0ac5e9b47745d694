// Package exact decodes JSON whose names are exact. Package encoding/json accepts names in another case,
// and takes the last one of two equal names: what a user approves would not be what the device uses.
package exact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// Decode decodes one JSON value into target, a pointer. It returns an error if a name in the value is
// not exactly the name of a field, or if an object has a name twice.
func Decode(text []byte, target any) error {
	if err := check(text, reflect.TypeOf(target)); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(target)
}

// Members decodes the members of one JSON object. It returns an error if the object, or an object in
// it, has a name twice. Two names that differ only in their case are two names.
func Members(text []byte) (map[string]json.RawMessage, error) {
	if err := check(text, nil); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	err := json.Unmarshal(text, &members)
	return members, err
}

// check checks the names in one JSON value: see checkNames.
func check(text []byte, t reflect.Type) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if err := checkNames(d, t); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON value")
	}
	return nil
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// checkNames reads one value and checks the names in it. t is the type into which the value is
// decoded later, or nil if the value may have any names. A type that decodes itself, such as
// json.RawMessage, may have any names too, but none twice.
func checkNames(d *json.Decoder, t reflect.Type) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t != nil && reflect.PointerTo(t).Implements(unmarshaler) {
		t = nil
	}
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		return checkObject(d, t)
	case json.Delim('['):
		return checkArray(d, elementOf(t, reflect.Slice, reflect.Array))
	}
	return nil
}

// checkArray checks the elements of an array whose opening bracket is read, and reads the closing
// one.
func checkArray(d *json.Decoder, element reflect.Type) error {
	for d.More() {
		if err := checkNames(d, element); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// checkObject checks the members of an object whose opening brace is read, and reads the closing
// one.
func checkObject(d *json.Decoder, t reflect.Type) error {
	isStruct := t != nil && t.Kind() == reflect.Struct
	var fields map[string]reflect.Type
	if isStruct {
		fields = fieldsOf(t)
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		member, known := fields[name]
		switch {
		case seen[name]:
			return fmt.Errorf("the name %+q is given twice", name)
		case isStruct && !known:
			return fmt.Errorf("there is no parameter %+q", name)
		case !isStruct:
			member = elementOf(t, reflect.Map)
		}
		seen[name] = true
		if err := checkNames(d, member); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// elementOf returns the type of the elements of t if t is of one of the kinds, and otherwise nil.
func elementOf(t reflect.Type, kinds ...reflect.Kind) reflect.Type {
	if t != nil && slices.Contains(kinds, t.Kind()) {
		return t.Elem()
	}
	return nil
}

// fieldsOf returns the types of the fields of a struct by their names in JSON. If two fields have
// one name, the one that is embedded less deeply is used, as package encoding/json does.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields, depths := map[string]reflect.Type{}, map[string]int{}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		isEmbedded := field.Anonymous && name == "" && isStructOrPointer(field.Type)
		if isEmbedded || !field.IsExported() || field.Tag.Get("json") == "-" {
			continue
		}
		if name == "" {
			name = field.Name
		}
		if depth, found := depths[name]; !found || len(field.Index) < depth {
			fields[name], depths[name] = field.Type, len(field.Index)
		}
	}
	return fields
}

func isStructOrPointer(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct
}
