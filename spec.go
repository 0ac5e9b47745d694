// Package fieldgate holds what every part of the gateway agrees on: the
// published contract and the errors that a caller may see.
package fieldgate

import _ "embed"

// Spec is openapi.yaml as it was written by hand: the contract that is served,
// enforced, and from which server and clients are generated.
//
//go:embed openapi.yaml
var Spec []byte

// SocketSpec is asyncapi.yaml, written by hand too: the frames of the sockets. It
// takes schemas from openapi.yaml by reference, so the two are served side by side.
//
//go:embed asyncapi.yaml
var SocketSpec []byte
