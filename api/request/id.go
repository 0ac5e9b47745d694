package request

import "crypto/rand"

// MaxIDLength is how many characters a request id has at most.
const MaxIDLength = 128

// NewID makes an id that no one can guess: 26 characters, at least 128 random bits.
func NewID() string { return rand.Text() }

// ValidID reports whether an id that a caller chose may be used as it is, which is
// to say whether it matches ^[A-Za-z0-9._-]{1,128}$. Anything else could forge log
// lines or headers. Every request passes here, hence the loop instead of a regexp.
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
