package api

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/schema"
)

// firstRead is how much memory a body gets before any of it has arrived, in bytes. A
// caller that announces more gets more as it sends more.
const firstRead = 16 << 10

// body is what an operation takes as its body, which is JSON.
type body struct {
	schema   *schema.Schema
	required bool
	limit    int64 // in bytes
}

// newBody reads the description of a body; nil if the operation takes none.
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

// accept refuses a body by what the headers say of it.
func (b *body) accept(r *http.Request) error {
	switch {
	case b == nil, r.ContentLength == 0:
		return nil
	case r.ContentLength > b.limit:
		return tooLarge()
	case !isJSON(r.Header):
		return fieldgate.Refuse(fieldgate.CodeUnsupportedMediaType, "Send the body as application/json, not compressed.")
	}
	return nil
}

func tooLarge() error {
	return fieldgate.Refuse(fieldgate.CodeBodyTooLarge, "The body is larger than this operation takes.")
}

func isJSON(header http.Header) bool {
	mediaType, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "application/json") && header.Get("Content-Encoding") == ""
}

// bind validates the body and leaves in its place what was validated, defaults
// included.
func bind(w http.ResponseWriter, r *http.Request, b *body) error {
	if b == nil {
		return nil
	}
	data, err := b.read(w, r)
	if err != nil {
		return err
	}
	value, wrong := b.decode(data)
	if wrong != nil {
		return schema.Invalid(*wrong)
	}
	if err := b.schema.Validate(value); err != nil {
		return err
	}
	r.Body = validated{value}
	return nil
}

// read reads the body up to its limit. http.MaxBytesReader also makes the server
// close the connection, where a chunked body would go on for ever.
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
		return nil, tooLarge()
	case err != nil:
		refusal := schema.Invalid(fieldgate.FieldError{Keyword: "syntax", Reason: "ended too early"})
		refusal.Cause = err
		return nil, refusal
	}
	return data.Bytes(), nil
}

// decode turns the body into values. An optional body that is not there is an empty
// object, so that its defaults hold and handlers always have one.
func (b *body) decode(data []byte) (any, *fieldgate.FieldError) {
	switch {
	case len(data) > 0:
		return schema.Decode(data)
	case b.required:
		return nil, &fieldgate.FieldError{Keyword: "required", Reason: "a body is required"}
	}
	return map[string]any{}, nil
}

// validated is the body that a handler finds: the values that were validated, which
// the generated code binds by exact name. There is nothing to read, because
// encoding/json would match names in any case: {"limit":1,"LIMIT":99} would be
// validated as 1 and bound as 99.
type validated struct{ value any }

var errBoundAlready = errors.New("a validated value does not fit the type it is bound to")

// ValidatedValue is what runtime.BindJSONBody asks for.
func (v validated) ValidatedValue() any { return v.value }

func (validated) Read([]byte) (int, error) { return 0, errBoundAlready }

func (validated) Close() error { return nil }
