package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// decodeExactly decodes JSON into target. Package encoding/json alone would take "Effect" for "effect",
// and the last of two members with the same name, which a reader of the text may overlook.
func decodeExactly(encoded []byte, target any) error {
	d := json.NewDecoder(bytes.NewReader(encoded))
	if err := checkValue(d, reflect.TypeOf(target).Elem(), ""); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON value")
	}
	return json.Unmarshal(encoded, target)
}

// checkValue reads the next value of d, which is decoded into type t. It returns an error for a name
// that t does not have, or that occurs twice.
func checkValue(d *json.Decoder, t reflect.Type, pointer string) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch token {
	case json.Delim('{'):
		return checkObject(d, t, pointer)
	case json.Delim('['):
		return checkArray(d, t, pointer)
	}
	return nil
}

func checkArray(d *json.Decoder, t reflect.Type, pointer string) error {
	if t.Kind() != reflect.Slice {
		return fmt.Errorf("%s is an array", pointer)
	}
	for i := 0; d.More(); i++ {
		if err := checkValue(d, t.Elem(), fmt.Sprintf("%s/%d", pointer, i)); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func checkObject(d *json.Decoder, t reflect.Type, pointer string) error {
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		member, known := memberOf(t, name)
		switch {
		case !known:
			return fmt.Errorf("%s has the unknown member %q", at(pointer), name)
		case seen[name]:
			return fmt.Errorf("%s has the member %q twice", at(pointer), name)
		}
		seen[name] = true
		if err := checkValue(d, member, pointer+"/"+name); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// memberOf returns the type of the member of a struct or a map with exactly this name.
func memberOf(t reflect.Type, name string) (reflect.Type, bool) {
	if t.Kind() == reflect.Map {
		return t.Elem(), true
	}
	for i := range t.NumField() {
		if tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); tag == name {
			return t.Field(i).Type, true
		}
	}
	return nil, false
}

// at returns a pointer for a message: that of the whole document is empty.
func at(pointer string) string {
	if pointer == "" {
		return "the document"
	}
	return pointer
}
