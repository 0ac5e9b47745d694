package api

import (
	"fmt"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/fieldgate/fieldgate"
)

// publication is a parsed contract and the documents that are served with it. All edges of a
// process share the one of fieldgate.Spec, so nothing may change it after publish: the validator
// copies each default before it adds it to a value, and compiled patterns are kept by the
// validator's package.
type publication struct {
	document *openapi3.T
	pages    documents
}

// published returns the publication of fieldgate.Spec. It is created at the first call and not for
// each edge, because parsing the contract and rendering the pages takes a fifth of a second.
var published = sync.OnceValues(func() (publication, error) { return publish(fieldgate.Spec) })

// publicationOf returns the publication of spec, or of fieldgate.Spec if spec is nil.
func publicationOf(spec []byte) (publication, error) {
	if spec == nil {
		return published()
	}
	return publish(spec)
}

func publish(spec []byte) (publication, error) {
	document, err := load(spec)
	if err != nil {
		return publication{}, fmt.Errorf("reading the contract: %w", err)
	}
	pages, err := newDocuments(spec, document)
	if err != nil {
		return publication{}, fmt.Errorf("preparing the documentation: %w", err)
	}
	return publication{document, pages}, nil
}

// load parses and validates an OpenAPI document. It refuses version 3.1, because the validator
// would compile the schemas of such a document again for each request. Validation would then
// cost 40 times as much.
func load(spec []byte) (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	document, err := loader.LoadFromData(spec)
	if err != nil {
		return nil, err
	}
	if document.IsOpenAPI31OrLater() {
		return nil, fmt.Errorf("version %s is not supported, only 3.0", document.OpenAPI)
	}
	return document, document.Validate(loader.Context, openapi3.DisableExamplesValidation())
}
