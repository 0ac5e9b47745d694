package api

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/schema"
)

// firstRead is the size of the buffer that is allocated for a body before any of it has
// arrived, in bytes. It grows with what arrives, not with what Content-Length announces.
const firstRead = 16 << 10

// body describes the request body of an operation, which is JSON.
type body struct {
	schema   *schema.Schema
	required bool
	limit    int64 // in bytes
}

// newBody reads the description of a request body. It returns nil if the operation has
// none.
func newBody(described *openapi3.Operation, maxBytes int64) (*body, error) {
	if described.RequestBody == nil {
		return nil, nil
	}
	content := described.RequestBody.Value.Content
	media := content["application/json"]
	if media == nil || len(content) != 1 {
		return nil, errors.New("a body that is not application/json alone")
	}
	b := &body{
		schema:   schema.New(media.Schema.Value),
		required: described.RequestBody.Value.Required,
		limit:    maxBytes,
	}
	if lower, ok := described.Extensions["x-max-body-bytes"].(float64); ok {
		b.limit = min(b.limit, int64(lower))
	}
	return b, nil
}

// checkHeaders refuses a body by its headers alone: too large, or of another media type.
func (b *body) checkHeaders(r *http.Request) error {
	switch {
	case b == nil, r.ContentLength == 0:
		return nil
	case r.ContentLength > b.limit:
		return b.tooLarge()
	case !isJSON(r.Header):
		return fieldgate.Refuse(fieldgate.CodeUnsupportedMediaType, "The body must be uncompressed JSON: send it with Content-Type application/json.")
	}
	return nil
}

func (b *body) tooLarge() error {
	return fieldgate.Refuse(fieldgate.CodeBodyTooLarge,
		fmt.Sprintf("The body is too large: this operation accepts at most %d bytes.", b.limit))
}

func isJSON(header http.Header) bool {
	mediaType, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "application/json") && header.Get("Content-Encoding") == ""
}

// bind validates the body and replaces it by the validated value, which includes the
// defaults.
func bind(w http.ResponseWriter, r *http.Request, b *body) error {
	if b == nil {
		return nil
	}
	data, err := b.read(w, r)
	if err != nil {
		return err
	}
	value, fieldErr := b.decode(data)
	if fieldErr != nil {
		return schema.Invalid(*fieldErr)
	}
	if err := b.schema.Validate(value); err != nil {
		return err
	}
	r.Body = validated{value}
	return nil
}

// read reads the body up to its limit. Beyond it, http.MaxBytesReader makes the server
// close the connection, so that a client cannot go on sending a chunked body.
func (b *body) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	var data bytes.Buffer
	data.Grow(int(min(max(r.ContentLength, 0), firstRead)) + bytes.MinRead)
	_, err := data.ReadFrom(http.MaxBytesReader(w, r.Body, b.limit))
	var overflow *http.MaxBytesError
	switch {
	case errors.As(err, &overflow):
		return nil, b.tooLarge()
	case err != nil:
		refusal := schema.Invalid(fieldgate.FieldError{Keyword: "syntax", Reason: "is incomplete: the connection ended before the body"})
		refusal.Cause = err
		return nil, refusal
	}
	return data.Bytes(), nil
}

// decode decodes the body. An optional body that is absent is an empty object, so that
// its defaults apply and handlers always have a body.
func (b *body) decode(data []byte) (any, *fieldgate.FieldError) {
	switch {
	case len(data) > 0:
		return schema.Decode(data)
	case b.required:
		return nil, &fieldgate.FieldError{Keyword: "required", Reason: "is required"}
	}
	return map[string]any{}, nil
}

// validated is the request body that a handler receives: the validated value, which the
// generated code binds by exact names. Its bytes cannot be read, because encoding/json
// matches names in any case: {"limit":1,"LIMIT":99} would be validated as 1 and bound as
// 99.
type validated struct{ value any }

var errBoundAlready = errors.New("a validated value does not fit the type it is bound to")

// ValidatedValue returns the value for runtime.BindJSONBody.
func (v validated) ValidatedValue() any { return v.value }

func (validated) Read([]byte) (int, error) { return 0, errBoundAlready }

func (validated) Close() error { return nil }
