package device

import (
	"crypto/rand"
	"strings"
)

// Activation codes are written in Crockford's base32, which leaves out the
// letters that people take for digits. https://www.crockford.com/base32.html
const (
	codeAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	codeLen      = 12 // characters, 60 bits
	codeGroup    = 4  // characters between dashes
)

// newCode mints an activation code, without dashes.
func newCode() string {
	code := make([]byte, codeLen)
	rand.Read(code) // never fails: it would end the process instead
	for i := range code {
		code[i] = codeAlphabet[code[i]%byte(len(codeAlphabet))]
	}
	return string(code)
}

// showCode writes a code as people see it: XXXX-XXXX-XXXX.
func showCode(code string) string {
	return code[:codeGroup] + "-" + code[codeGroup:2*codeGroup] + "-" + code[2*codeGroup:]
}

// confusions are the letters that Crockford reads as digits, and what people put
// between the groups.
var confusions = strings.NewReplacer("I", "1", "L", "1", "O", "0", "-", "", " ", "")

// readCode reads a code as people type it. It answers false for what newCode
// cannot have minted.
func readCode(typed string) (code string, ok bool) {
	code = confusions.Replace(strings.ToUpper(typed))
	return code, len(code) == codeLen && strings.Trim(code, codeAlphabet) == ""
}
