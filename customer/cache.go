package customer

import (
	"crypto/sha256"
	"sync"
)

// tokenCache remembers the principals of verified tokens by the SHA-256 of the
// token, so that the cost of a signature is paid once in a token's life. A
// refused token is never remembered, and so cannot push out a good one.
//
// An entry counts only under the very key set that it was verified under: when
// the issuer withdraws a key, every entry is void at once.
//
// The entries are in two generations. When the younger is full it becomes the
// older, and the older is dropped; what is used moves to the younger. So what
// is in use stays, and nothing has to be searched or timed.
type tokenCache struct {
	generation int // the most entries in one generation; zero or less remembers nothing

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

// get gives the principal of a token that was verified under these keys. The
// caller checks that the token is not expired by now.
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
