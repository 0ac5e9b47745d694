package store

import (
	"strconv"

	"github.com/fieldgate/fieldgate"
)

// Reply is what a script returned.
type Reply []any

// OK tells whether the transition was made.
func (r Reply) OK() bool { return r.Code() == "ok" }

// Code is "ok", or the code of the refusal.
func (r Reply) Code() fieldgate.Code { return fieldgate.Code(r.String(0)) }

// String gives an element as text; what is missing is empty.
func (r Reply) String(i int) string {
	if i >= len(r) {
		return ""
	}
	switch v := r[i].(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return ""
}

// Int gives an element as a number; what is missing, or none, is zero.
func (r Reply) Int(i int) int64 {
	if i >= len(r) {
		return 0
	}
	switch v := r[i].(type) {
	case int64:
		return v
	case string:
		n, _ := strconv.ParseInt(v, 10, 64)
		return n
	}
	return 0
}

// List gives a nested element.
func (r Reply) List(i int) Reply {
	if i >= len(r) {
		return nil
	}
	list, _ := r[i].([]any)
	return list
}

// Map reads pairs of names and values, as HGETALL gives them, from an element.
func (r Reply) Map(i int) map[string]string {
	pairs := r.List(i)
	m := make(map[string]string, len(pairs)/2)
	for j := 0; j+1 < len(pairs); j += 2 {
		m[pairs.String(j)] = pairs.String(j + 1)
	}
	return m
}
