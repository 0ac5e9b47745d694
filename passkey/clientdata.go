package passkey

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// clientNames are the names of the members of client data that the gateway or a device reads.
var clientNames = []string{"type", "challenge", "origin", "crossOrigin", "topOrigin", "tokenBinding"}

// areClientNamesExact reports whether each name in client data occurs once in its object, and is not one of
// clientNames in another case. Package encoding/json would take the last of equal names, and ignore case.
// Devices do not, and refuse such client data. The text must be valid JSON.
func areClientNamesExact(text []byte) bool {
	return areNamesValid(json.NewDecoder(bytes.NewReader(text)), func() func(name string) bool {
		seen := map[string]bool{}
		return func(name string) bool {
			repeated := seen[name]
			seen[name] = true
			return !repeated && !isFolded(name)
		}
	})
}

// isFolded reports whether a name is one of clientNames in another case.
func isFolded(name string) bool {
	return slices.ContainsFunc(clientNames, func(known string) bool { return known != name && strings.EqualFold(known, name) })
}
