package storetest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

type inner struct{ Name string }

type outer struct {
	At     time.Time
	Tags   map[string]string
	Single *inner
	List   []inner
	hidden int
}

func TestUnfilled(t *testing.T) {
	t.Parallel()
	full := outer{time.Now(), map[string]string{"a": "b"}, &inner{"a"}, []inner{{"a"}}, 0}
	for name, c := range map[string]struct {
		change     func(*outer)
		exceptions map[string]string
		want       []string
	}{
		"every field is set":    {func(*outer) {}, nil, nil},
		"a time is zero":        {func(o *outer) { o.At = time.Time{} }, nil, []string{"At is not set"}},
		"a map is empty":        {func(o *outer) { o.Tags = map[string]string{} }, nil, []string{"Tags is not set"}},
		"a pointer is nil":      {func(o *outer) { o.Single = nil }, nil, []string{"Single is not set"}},
		"a nested field":        {func(o *outer) { o.Single = &inner{} }, nil, []string{"Single.Name is not set"}},
		"a field of an element": {func(o *outer) { o.List = []inner{{}} }, nil, []string{"List.Name is not set"}},
		"an exception":          {func(o *outer) { o.Single = &inner{} }, map[string]string{"Single.Name": "why"}, nil},
		"an exception is set":   {func(*outer) {}, map[string]string{"At": "why"}, []string{"At is an exception but not a field that is zero"}},
		"an unknown exception":  {func(*outer) {}, map[string]string{"X": "why"}, []string{"X is an exception but not a field that is zero"}},
		"without a reason":      {func(o *outer) { o.List = nil }, map[string]string{"List": ""}, []string{"List is not set"}},
	} {
		value := full
		c.change(&value)
		require.Equal(t, c.want, storetest.Unfilled(value, c.exceptions), name)
	}
}
