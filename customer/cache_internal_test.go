package customer

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func digestOf(n int) [sha256.Size]byte { return sha256.Sum256(fmt.Append(nil, n)) }

func principalNo(n int) Principal { return Principal{UserID: fmt.Sprint(n)} }

func TestTokenCache_EntryIsBoundToKeySet(t *testing.T) {
	t.Parallel()
	cache, keys, others := newTokenCache(10), &keySet{}, &keySet{keys: map[keyID]key{}}
	cache.put(digestOf(1), keys, principalNo(1))
	found, ok := cache.get(digestOf(1), keys)
	require.True(t, ok)
	require.Equal(t, principalNo(1), found)

	_, ok = cache.get(digestOf(1), others)
	require.False(t, ok)
	_, ok = cache.get(digestOf(1), nil)
	require.False(t, ok)
	_, ok = cache.get(digestOf(2), keys)
	require.False(t, ok)
}

func TestTokenCache_SizeIsBounded(t *testing.T) {
	t.Parallel()
	cache, keys := newTokenCache(100), &keySet{}
	for n := range 1000 {
		cache.put(digestOf(n), keys, principalNo(n))
		require.LessOrEqual(t, len(cache.younger)+len(cache.older), 100)
	}
}

func TestTokenCache_KeepsEntriesInUse(t *testing.T) {
	t.Parallel()
	cache, keys := newTokenCache(100), &keySet{}
	cache.put(digestOf(-1), keys, principalNo(-1))
	for n := range 1000 {
		cache.put(digestOf(n), keys, principalNo(n))
		if n%40 == 0 {
			_, ok := cache.get(digestOf(-1), keys)
			require.True(t, ok)
		}
	}
	_, ok := cache.get(digestOf(0), keys)
	require.False(t, ok, "the unused entry was not evicted")
}

func TestTokenCache_SizeZeroDisables(t *testing.T) {
	t.Parallel()
	for _, size := range []int{-1, 0, 1} {
		cache, keys := newTokenCache(size), &keySet{}
		cache.put(digestOf(1), keys, principalNo(1))
		_, ok := cache.get(digestOf(1), keys)
		require.False(t, ok)
	}
}
