package problem

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
)

// These are the bounds that the contract sets for Retry-After, in seconds.
const (
	minRetryAfter = 1
	maxRetryAfter = 86400
)

// errDraining is the response to a canceled request. Usually the client has closed the
// connection and does not read the response. If the client is still connected, this instance is
// stopping and has canceled its requests.
var errDraining = fieldgate.Refuse(fieldgate.CodeDraining, "This instance is shutting down. Repeat the request.")

// Write sends the problem document for err. It records the code and err for the access log. If
// the response has already started, Write only records them.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	info := request.Of(r.Context())
	refusal := err
	if info.Abandoned = isAbandoned(r, err); info.Abandoned {
		refusal = errDraining
	}
	document := Of(refusal, info.ID)
	info.Code, info.Reason, info.Err = document.Code, Refusal(refusal).Reason, err
	if ResponseStarted(w) {
		return
	}
	send(w, r, document, Refusal(refusal).RetryAfter)
}

// isAbandoned reports whether the cancellation of the request caused err.
func isAbandoned(r *http.Request, err error) bool {
	return errors.Is(err, context.Canceled) && r.Context().Err() != nil
}

// ResponseStarted reports whether a status was sent or the connection was hijacked. For a
// writer that package api did not create, it returns false.
func ResponseStarted(w http.ResponseWriter) bool {
	recorder, ok := w.(interface{ Status() int })
	return ok && recorder.Status() != 0
}

func send(w http.ResponseWriter, r *http.Request, document Document, retryAfter time.Duration) {
	header := w.Header()
	header.Set("Content-Type", ContentType)
	// The handler may have set these headers for a successful response.
	header.Del("Content-Length")
	header.Del("Location")
	switch document.Status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", challenge(r, document.Code))
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		header.Set("Retry-After", retryAfterSeconds(retryAfter))
	}
	w.WriteHeader(document.Status)
	// This fails only if the client has closed the connection.
	_ = json.NewEncoder(w).Encode(document)
}

// challenge returns the WWW-Authenticate header. If a token was sent, the header reports that
// the token is invalid (RFC 6750, section 3).
func challenge(r *http.Request, code fieldgate.Code) string {
	if code.IsUnauthorized() && r.Header.Get("Authorization") != "" {
		return `Bearer realm="fieldgate", error="invalid_token"`
	}
	return `Bearer realm="fieldgate"`
}

// retryAfterSeconds formats d in whole seconds, rounded up so that no client retries too early.
func retryAfterSeconds(d time.Duration) string {
	whole := int((d + time.Second - 1) / time.Second)
	return strconv.Itoa(min(max(whole, minRetryAfter), maxRetryAfter))
}
