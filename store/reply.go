package store

import (
	"strconv"

	"github.com/fieldgate/fieldgate"
)

// Reply is the list that a script returned.
type Reply []any

// OK reports whether the script made its transition.
func (r Reply) OK() bool { return r.Code() == "ok" }

// Code returns "ok" or the code of the refusal.
func (r Reply) Code() fieldgate.Code { return fieldgate.Code(r.String(0)) }

// String returns the element at i as text. It returns "" for a missing element.
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

// Int returns the element at i as a number. It returns zero if the element is missing or
// is not a number.
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

// List returns the nested list at i. It returns nil if the element is missing or is not a
// list.
func (r Reply) List(i int) Reply {
	if i >= len(r) {
		return nil
	}
	list, _ := r[i].([]any)
	return list
}

// Map returns the nested list at i as a map. The list alternates names and values,
// like the reply to HGETALL.
func (r Reply) Map(i int) map[string]string {
	pairs := r.List(i)
	m := make(map[string]string, len(pairs)/2)
	for j := 0; j+1 < len(pairs); j += 2 {
		m[pairs.String(j)] = pairs.String(j + 1)
	}
	return m
}
