package schema

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// list returns an array with an item many times.
func list(item string) string { return "[" + strings.Repeat(item+",", 9999) + item + "]" }

// objectOf returns an object with n members.
func objectOf(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"%x":0`, i)
	}
	return "{" + strings.Join(members, ",") + "}"
}

// TestDecode_HoldsNoMoreThanIsAdmitted measures the memory of decoded values, which must fit what Decode
// has asked for. It runs alone, because others would allocate too.
func TestDecode_HoldsNoMoreThanIsAdmitted(t *testing.T) {
	s := &Schema{Bounds: Bounds{Values: 1 << 20, String: 1 << 20, Name: maxName, Depth: maxDepth}}
	for name, text := range map[string]string{
		"numbers": list("0"), "strings": list(`"ab"`), "empty arrays": list("[]"), "arrays": list("[0]"), "nested arrays": list("[[[[]]]]"),
		"empty objects": list("{}"), "objects of one member": list(`{"a":0}`), "nested objects": list(`{"ab":{"cd":{}}}`),
		"objects of two": list(objectOf(2)), "objects of 8": list(objectOf(8)), "objects of 9": list(objectOf(9)),
		"objects of 15": list(objectOf(15)), "one object": objectOf(10_000), "the largest map of its members": objectOf(14_400),
	} {
		var admitted int64
		before := heap()
		value, err := s.Decode([]byte(text), func(bytes int64) error {
			admitted = bytes
			return nil
		})
		held := heap() - before
		require.NoError(t, err, name)
		require.LessOrEqual(t, held, admitted, name)
		t.Logf("%s: %d bytes of %d", name, held, admitted)
		runtime.KeepAlive(value)
	}
}

// heap returns the number of bytes of live objects.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
