// Package fieldgate holds the definitions that all parts of the gateway share: the
// published contract, the errors that a caller may see, and the format of times.
package fieldgate

import _ "embed"

// Spec is openapi.yaml, the contract of the HTTP API. The contract is written by hand. The
// gateway serves and enforces it. The code of the server and the clients is generated from it.
//
//go:embed openapi.yaml
var Spec []byte

// SocketSpec is asyncapi.yaml, the contract of the socket frames. It is written by hand.
// It refers to schemas in openapi.yaml.
//
//go:embed asyncapi.yaml
var SocketSpec []byte

// PublishedSocketSpec is the same contract in one document, which needs no other file: the gateway
// serves it. It is generated from both contracts.
//
//go:embed generated/asyncapi.yaml
var PublishedSocketSpec []byte
