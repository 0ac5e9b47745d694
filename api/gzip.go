package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/schema"
)

// acceptedEncoding is the content coding that a body may have. Devices use it on slow links.
const acceptedEncoding = "gzip"

// acceptEncodingHeader is the response header that says which content codings a body may have
// (RFC 9110, section 12.5.3). The contract declares which responses have it.
const acceptEncodingHeader = "Accept-Encoding"

// isCompressed reports whether a body has the accepted content coding.
func isCompressed(header http.Header) bool {
	return strings.EqualFold(header.Get("Content-Encoding"), acceptedEncoding)
}

// isKnownEncoding reports whether a body has no content coding or the accepted one.
func isKnownEncoding(header http.Header) bool {
	codings := header.Values("Content-Encoding")
	return len(codings) == 0 || len(codings) == 1 && isCompressed(header)
}

// inflate decompresses a body up to the limit. An inflated byte costs what a received one
// costs: it counts towards held, and the body waits as held.grow says. A small body that
// inflates to a large one is thus no cheaper way to keep the gateway busy. Only one member is
// accepted, because a body could otherwise have 100,000 empty ones.
func (b *body) inflate(ctx context.Context, packed []byte, held *share) ([]byte, error) {
	rest := bytes.NewReader(packed)
	source, err := gzip.NewReader(rest)
	if err != nil {
		return nil, invalidGzip(err)
	}
	source.Multistream(false)
	var data bytes.Buffer
	for {
		n, err := io.CopyN(&data, source, chunk)
		if heldErr := held.grow(ctx, n); heldErr != nil {
			return nil, heldErr
		}
		switch {
		case int64(data.Len()) > b.limit:
			return nil, b.tooLarge()
		case err == io.EOF && rest.Len() == 0:
			return data.Bytes(), nil
		case err != nil:
			return nil, invalidGzip(err)
		}
	}
}

// invalidGzip returns the refusal of a body that cannot be decompressed.
func invalidGzip(cause error) error {
	refusal := schema.Invalid(fieldgate.FieldError{Keyword: "encoding", Reason: "is not valid gzip"})
	refusal.Cause = cause
	return refusal
}
