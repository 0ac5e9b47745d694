// Package generated is what oapi-codegen makes of openapi.yaml: the models, the
// chi routes, the strict interface that handlers implement, and the contract
// itself. The files that end in .gen.go are never edited: change openapi.yaml or the
// configuration beside this file, and run go generate ./... at the root.
//
// A refusal is returned as an error and becomes a problem document in one place,
// so the strict interface knows successful answers only: overlay.yaml takes the
// rest away before the code is generated. clients/go/contract.gen.go is generated from
// here too, so that the module of the Go client does not depend on the generator.
package generated

//go:generate go tool oapi-codegen -config server.yaml ../openapi.yaml
//go:generate go tool oapi-codegen -config spec.yaml ../openapi.yaml
//go:generate go tool oapi-codegen -config ../clients/go/oapi-codegen.yaml ../openapi.yaml
