package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const openapi = `
components:
  schemas:
    Claim:
      type: object
      example: {token: x}
      properties:
        limit: {type: integer, example: 3}
        token: {$ref: '#/components/schemas/Token'}
    Token: {type: string}
    Unused: {type: string}
`

func TestBundle_TakesWhatTheDocumentRefersTo(t *testing.T) {
	t.Parallel()

	bundled, err := bundle([]byte(`
components:
  messages:
    claim:
      payload:
        type: object
        properties:
          type: {type: string, enum: [claim]}
          data: {$ref: './openapi.yaml#/components/schemas/Claim'}
          limit: {$ref: './openapi.yaml#/components/schemas/Claim/properties/limit'}
  schemas: {}
`), []byte(openapi))

	require.NoError(t, err)
	require.YAMLEq(t, `
components:
  messages:
    claim: {payload: {$ref: '#/components/schemas/ClaimFrame'}}
  schemas:
    ClaimFrame:
      type: object
      properties:
        type: {type: string, const: claim}
        data: {$ref: '#/components/schemas/Claim'}
        limit: {type: integer, examples: [3]}
    Claim:
      type: object
      examples: [{token: x}]
      properties:
        limit: {type: integer, examples: [3]}
        token: {$ref: '#/components/schemas/Token'}
    Token: {type: string}
`, string(bundled))
	require.NoError(t, yaml.Unmarshal(bundled, new(any)))
}

func TestBundle_RefusesWhatWouldBeAmbiguousOrIncomplete(t *testing.T) {
	t.Parallel()

	for name, schemas := range map[string]string{
		"a schema of both documents": `{Claim: {$ref: './openapi.yaml#/components/schemas/Token'}, Token: {type: integer}}`,
		"an unknown schema":          `{Claim: {$ref: './openapi.yaml#/components/schemas/None'}}`,
		"an unknown property":        `{Claim: {$ref: './openapi.yaml#/components/schemas/Claim/properties/none'}}`,
	} {
		_, err := bundle([]byte("components: {messages: {}, schemas: "+schemas+"}"), []byte(openapi))
		require.Error(t, err, name)
	}
}
