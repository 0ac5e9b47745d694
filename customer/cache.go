package customer

import (
	"crypto/sha256"
	"sync"
)

// tokenCache caches the principals of verified tokens, so that each signature is verified
// only once. The key is the SHA-256 of the token. A refused token is not cached and
// cannot evict a verified one.
//
// An entry is valid only for the key set that verified the token. When the issuer
// withdraws a key, the key set changes and all entries become invalid at once.
//
// The cache has two generations. When the younger one is full, it becomes the older one
// and the previous older one is dropped. An entry that is used moves to the younger
// generation. So entries in use stay, and eviction needs no timer and no search.
type tokenCache struct {
	generation int // maximum number of entries in one generation; zero or less disables the cache

	mu      sync.Mutex
	younger map[[sha256.Size]byte]cachedToken
	older   map[[sha256.Size]byte]cachedToken
}

type cachedToken struct {
	keys      *keySet
	principal Principal
}

func newTokenCache(size int) *tokenCache {
	return &tokenCache{generation: size / 2, younger: map[[sha256.Size]byte]cachedToken{}}
}

// get returns the cached principal of a token that was verified with keys. It returns
// false if the cache has none. The caller must check that the token has not expired
// since.
func (c *tokenCache) get(digest [sha256.Size]byte, keys *keySet) (Principal, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok := c.younger[digest]
	if !ok {
		if entry, ok = c.older[digest]; ok && entry.keys == keys {
			c.store(digest, entry)
		}
	}
	return entry.principal, ok && entry.keys == keys
}

func (c *tokenCache) put(digest [sha256.Size]byte, keys *keySet, principal Principal) {
	if c.generation <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store(digest, cachedToken{keys: keys, principal: principal})
}

func (c *tokenCache) store(digest [sha256.Size]byte, entry cachedToken) {
	if len(c.younger) >= c.generation {
		c.older, c.younger = c.younger, make(map[[sha256.Size]byte]cachedToken, c.generation)
	}
	c.younger[digest] = entry
}
