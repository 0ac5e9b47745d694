package device

import (
	"crypto/rand"
	"strings"
)

// Activation codes use Crockford's base32. Its alphabet omits letters that are easily
// mistaken for digits. https://www.crockford.com/base32.html
const (
	codeAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	codeLen      = 12 // number of characters in a code; they encode 60 bits
	codeGroup    = 4  // number of characters between dashes
)

// newCode returns a random activation code, without dashes.
func newCode() string {
	code := make([]byte, codeLen)
	rand.Read(code) // never returns an error: it crashes the program instead
	for i := range code {
		code[i] = codeAlphabet[code[i]%byte(len(codeAlphabet))]
	}
	return string(code)
}

// formatCode returns a code in the form XXXX-XXXX-XXXX.
func formatCode(code string) string {
	return code[:codeGroup] + "-" + code[codeGroup:2*codeGroup] + "-" + code[2*codeGroup:]
}

// codeNormalizer replaces the letters that Crockford's base32 reads as digits, and
// removes the separators that users type.
var codeNormalizer = strings.NewReplacer("I", "1", "L", "1", "O", "0", "-", "", " ", "")

// parseCode parses a code as users type it. It reports false if newCode cannot have
// created the code.
func parseCode(typed string) (code string, ok bool) {
	code = codeNormalizer.Replace(strings.ToUpper(typed))
	return code, len(code) == codeLen && strings.Trim(code, codeAlphabet) == ""
}
