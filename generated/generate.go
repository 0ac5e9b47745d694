// Package generated is the code that oapi-codegen generates from openapi.yaml: the models,
// the chi routes and the strict interface that handlers implement. Never edit a file whose
// name ends in .gen.go. Change openapi.yaml or the configuration in this directory, and run
// go generate ./... in the root.
//
// The strict interface has successful responses only. A handler returns a refusal as an
// error, which one place converts into a problem document, so overlay.yaml removes the
// refusals before the code is generated. clients/go/contract.gen.go is generated here too, so
// that the module of the Go client does not depend on the generator.
package generated

//go:generate go tool oapi-codegen -config server.yaml ../openapi.yaml
//go:generate go tool oapi-codegen -config ../clients/go/oapi-codegen.yaml ../openapi.yaml
