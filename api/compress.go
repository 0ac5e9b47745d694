package api

import (
	"fmt"
	"net/http"

	"github.com/klauspost/compress/gzhttp"
)

// minCompressedResponse is the size in bytes from which a response is compressed. Below it, a
// response fits into one packet.
const minCompressedResponse = 1 << 10

// compressor compresses the responses to reads with zstd or gzip, as the client prefers.
//
// Only the responses to GET and HEAD are compressed. The size of a compressed response may reveal a
// secret in it to an observer of the network who can choose another part of it and make the client
// repeat the request (the attack BREACH). The responses with secrets are those to POST: activation
// codes, device secrets, tokens, tickets and claim tokens. Besides, a page of another origin cannot
// make a browser send a request, because the credentials are in no cookie.
type compressor struct {
	wrap func(http.Handler) http.HandlerFunc
}

func newCompressor() (compressor, error) {
	wrap, err := gzhttp.NewWrapper(
		gzhttp.MinSize(minCompressedResponse), gzhttp.EnableZstd(true), gzhttp.PreferZstd(true),
		gzhttp.CompressionLevel(fastGzip), gzhttp.AllowCompressedRequests(true),
	)
	if err != nil {
		return compressor{}, fmt.Errorf("preparing the compression of responses: %w", err)
	}
	return compressor{wrap}, nil
}

// fastGzip is the level of gzip. A list takes a third of the time that the default level needs, and
// is a few percent larger.
const fastGzip = 3

// compress is the middleware. It passes on the handshake of a socket, whose connection is taken over.
func (c compressor) compress(next http.Handler) http.Handler {
	compressed := c.wrap(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		isRead := r.Method == http.MethodGet || r.Method == http.MethodHead
		if !isRead || r.Header.Get("Upgrade") != "" {
			next.ServeHTTP(w, r)
			return
		}
		compressed.ServeHTTP(w, r)
	})
}
