package request

import "crypto/rand"

// MaxIDLength is the maximum length of a request id in characters.
const MaxIDLength = 128

// NewID returns a random id that cannot be guessed: 26 characters with at least 128
// random bits.
func NewID() string { return rand.Text() }

// ValidID reports whether an id from a client matches ^[A-Za-z0-9._-]{1,128}$. Other ids could
// forge log lines or headers. ValidID uses a loop instead of a regexp, because it runs for
// every request.
func ValidID(id string) bool {
	if id == "" || len(id) > MaxIDLength {
		return false
	}
	for i := range len(id) {
		if !idCharacter(id[i]) {
			return false
		}
	}
	return true
}

func idCharacter(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '.' || c == '_' || c == '-'
}
