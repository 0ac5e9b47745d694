package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/schema"
)

// firstRead is the initial size in bytes of the buffer for a body. The buffer grows as data
// arrives; Content-Length does not influence its size.
const firstRead = 16 << 10

// body describes the request body of an operation. Request bodies are JSON, which may be
// compressed with gzip.
type body struct {
	schema   *schema.Schema
	required bool
	limit    int64 // maximum size in bytes, as it is sent and decompressed
}

// maxBodyBytes is the name of the contract extension with the maximum size of a body.
const maxBodyBytes = "x-max-body-bytes"

// newBody returns the description of an operation's request body, or nil if the operation has
// no body.
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
	stated, ok := described.Extensions[maxBodyBytes].(float64)
	if !ok {
		return nil, errors.New("a body without " + maxBodyBytes)
	}
	b.limit = min(b.limit, int64(stated))
	return b, nil
}

// checkHeaders refuses a body if its headers show that it is too large, is not JSON, or has an
// unknown content coding.
func (b *body) checkHeaders(w http.ResponseWriter, r *http.Request) error {
	switch {
	case b == nil, r.ContentLength == 0:
		return nil
	case r.ContentLength > b.limit:
		return b.tooLarge()
	case !(isJSON(r.Header) && isKnownEncoding(r.Header)) && !isEmpty(r):
		w.Header().Set(acceptEncodingHeader, acceptedEncoding)
		return fieldgate.Refuse(fieldgate.CodeUnsupportedMediaType,
			"The body must be JSON: send it with Content-Type application/json, uncompressed or with Content-Encoding gzip.")
	}
	return nil
}

// isEmpty reports whether a body of unknown length has no bytes. It waits for the first byte. An
// empty body counts as absent and needs no Content-Type.
func isEmpty(r *http.Request) bool {
	if r.ContentLength > 0 {
		return false
	}
	first := make([]byte, 1)
	n, err := io.ReadFull(r.Body, first)
	if n == 0 && err == io.EOF {
		r.ContentLength, r.Body = 0, http.NoBody
		return true
	}
	return false
}

func (b *body) tooLarge() error {
	return fieldgate.Refuse(fieldgate.CodeBodyTooLarge,
		fmt.Sprintf("The body is too large: this operation accepts at most %d bytes.", b.limit))
}

func isJSON(header http.Header) bool {
	mediaType, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "application/json")
}

// bind validates the body of r and replaces it with the validated value, which includes the
// defaults.
func bind(w http.ResponseWriter, r *http.Request, b *body, held *share, times BodyTimes) error {
	if b == nil {
		return nil
	}
	data, err := b.read(w, r, held, times)
	if err == nil && len(data) > 0 && isCompressed(r.Header) {
		data, err = b.inflate(r.Context(), data, held)
	}
	if err != nil {
		return err
	}
	decoded, err := held.awaitTurn(r.Context())
	if err != nil {
		return err
	}
	defer decoded()
	value, err := b.decode(data, held)
	if err != nil {
		return err
	}
	if err := b.schema.Validate(value); err != nil {
		return err
	}
	r.Body = validated{value}
	return nil
}

// read reads the body of r up to the limit. If the body is longer, http.MaxBytesReader makes the
// server close the connection, so that the client cannot continue to send. As data arrives, read
// adds its size to held, the request's share of the budget, and waits as held.grow says. The
// sender must be as fast as times requires while the gateway reads.
func (b *body) read(w http.ResponseWriter, r *http.Request, held *share, times BodyTimes) ([]byte, error) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	var data bytes.Buffer
	data.Grow(int(min(max(r.ContentLength, 0), firstRead)) + bytes.MinRead)
	source := newTimedBody(w, http.MaxBytesReader(w, r.Body, b.limit), times)
	for {
		n, err := io.CopyN(&data, source, chunk)
		paused := time.Now()
		if heldErr := held.grow(r.Context(), n); heldErr != nil {
			return nil, heldErr
		}
		source.pause(time.Since(paused))
		switch {
		case err == io.EOF:
			return data.Bytes(), nil
		case isTimeout(err):
			return nil, source.tooSlow(err)
		case err != nil:
			return nil, b.readError(err)
		}
	}
}

func (b *body) readError(err error) error {
	var overflow *http.MaxBytesError
	if errors.As(err, &overflow) {
		return b.tooLarge()
	}
	refusal := schema.Invalid(fieldgate.FieldError{Keyword: "incomplete", Reason: "is incomplete: the connection ended before the body"})
	refusal.Cause = err
	return refusal
}

// decode decodes the body. An absent optional body is decoded as an empty object, so that its
// defaults apply and handlers always receive a body.
func (b *body) decode(data []byte, held *share) (any, error) {
	switch {
	case len(data) > 0:
		return b.schema.Decode(data, held.take)
	case b.required:
		return nil, schema.Invalid(fieldgate.FieldError{Keyword: "required", Reason: "is required"})
	}
	return map[string]any{}, nil
}

// validated is the request body that a handler receives. It holds the validated value, which the
// generated code binds by exact names. Its bytes cannot be read, because encoding/json matches
// names in any case. It would bind the 99 in {"limit":1,"LIMIT":99}, although only the 1 was
// validated.
type validated struct{ value any }

var errBoundAlready = errors.New("a validated value does not fit the type it is bound to")

// ValidatedValue returns the value to bind. runtime.BindJSONBody calls it.
func (v validated) ValidatedValue() any { return v.value }

func (validated) Read([]byte) (int, error) { return 0, errBoundAlready }

func (validated) Close() error { return nil }
