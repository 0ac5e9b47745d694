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

// The bounds that the contract sets for Retry-After, in seconds.
const (
	minRetryAfter = 1
	maxRetryAfter = 86400
)

// errStopping is what a caller would read if it were not the caller who ended the
// request but the instance, whose stop cancels the contexts of its requests.
var errStopping = fieldgate.Refuse(fieldgate.CodeDraining, "This instance is about to stop.")

// Write answers a request with the problem that err is, and notes both for the
// access log. If an answer was begun already, it only notes.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	facts := request.Of(r.Context())
	answer := err
	if facts.Abandoned = abandoned(r, err); facts.Abandoned {
		answer = errStopping
	}
	document := Of(answer, facts.ID)
	facts.Code, facts.Err = document.Code, err
	if Begun(w) {
		return
	}
	send(w, r, document, Refusal(answer).RetryAfter)
}

// abandoned reports whether an error only says that nobody waits for the answer.
func abandoned(r *http.Request, err error) bool {
	return errors.Is(err, context.Canceled) && r.Context().Err() != nil
}

// Begun reports whether a status was sent or the connection was taken over, which the
// writers of package api can tell.
func Begun(w http.ResponseWriter) bool {
	recorder, ok := w.(interface{ Status() int })
	return ok && recorder.Status() != 0
}

func send(w http.ResponseWriter, r *http.Request, document Document, retryAfter time.Duration) {
	header := w.Header()
	header.Set("Content-Type", ContentType)
	// What a handler meant for its success must not describe the problem.
	header.Del("Content-Length")
	header.Del("Location")
	switch document.Status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", challenge(r, document.Code))
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		header.Set("Retry-After", seconds(retryAfter))
	}
	w.WriteHeader(document.Status)
	// The only way this fails is a client that is gone.
	_ = json.NewEncoder(w).Encode(document)
}

// challenge tells how to authenticate, and whether it was a token that failed
// (RFC 6750, section 3).
func challenge(r *http.Request, code fieldgate.Code) string {
	if code == fieldgate.CodeUnauthorized && r.Header.Get("Authorization") != "" {
		return `Bearer realm="fieldgate", error="invalid_token"`
	}
	return `Bearer realm="fieldgate"`
}

// seconds rounds up, so that nobody comes back too early.
func seconds(d time.Duration) string {
	whole := int((d + time.Second - 1) / time.Second)
	return strconv.Itoa(min(max(whole, minRetryAfter), maxRetryAfter))
}
