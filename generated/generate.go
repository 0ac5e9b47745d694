// Package generated contains the code that oapi-codegen generates from openapi.yaml: the models,
// the chi routes and the strict interface that handlers implement. Never edit a file whose
// name ends in .gen.go. Change openapi.yaml or the configuration in this directory, and run
// go generate ./... in the root.
//
// The strict interface contains only successful responses, because overlay.yaml removes the
// refusals before the code is generated. A handler returns a refusal as an error, and package
// api/problem converts the error to a problem document. clients/go/contract.gen.go is also
// generated here, so that the module of the Go client does not depend on the generator.
//
// asyncapi.yaml in this directory is the contract of the sockets in one file, which the gateway serves.
package generated

//go:generate go run ../.ci/bundle ../asyncapi.yaml ../openapi.yaml asyncapi.yaml
//go:generate go tool oapi-codegen -config server.yaml ../openapi.yaml
//go:generate go tool oapi-codegen -config ../clients/go/oapi-codegen.yaml ../openapi.yaml
