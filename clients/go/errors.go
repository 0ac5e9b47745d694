package fieldgate

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An APIError is an answer that is not the one that was asked for: nearly always a
// refusal of the gateway, described by the embedded problem document.
//
// Status and Title are always set. If Code is empty, the answer was not a word of
// the gateway, such as the error page of a proxy or an answer cut short; Detail says
// what was wrong with it, and nothing is known about what became of the request.
// Command, SessionID and Approval are zero except with the codes that they belong to.
type APIError struct {
	Problem

	// RetryAfter is how long the gateway asks to wait before another try; zero if it
	// does not say.
	RetryAfter time.Duration

	cause error
}

// Error describes the refusal for a log line.
func (e *APIError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "fieldgate: %d ", e.Status)
	if e.Code != "" {
		text.WriteString(e.Code)
	} else {
		text.WriteString(e.Title)
	}
	if e.Detail != "" {
		text.WriteString(": " + e.Detail)
	}
	for _, field := range e.Errors {
		fmt.Fprintf(&text, "; %s: %s", field.Pointer, field.Reason)
	}
	if e.cause != nil {
		fmt.Fprintf(&text, ": %v", e.cause)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&text, " (request %s)", e.RequestID)
	}
	return text.String()
}

// Unwrap gives the reason why an answer could not be read.
func (e *APIError) Unwrap() error { return e.cause }

// CodeOf gives the code with which the gateway refused a request, and an empty one
// for any other error and for none.
func CodeOf(err error) ProblemCode {
	if refused, ok := errors.AsType[*APIError](err); ok {
		return refused.Code
	}
	return ""
}

// newAPIError begins with what every answer tells.
func newAPIError(resp *http.Response) *APIError {
	e := &APIError{RetryAfter: retryAfter(resp.Header)}
	e.complete(resp)
	return e
}

// complete fills in from the head of an answer what its body did not say. The status
// is always that of the answer, for it is what was acted upon on the way.
func (e *APIError) complete(resp *http.Response) {
	e.Status = resp.StatusCode
	if e.Title == "" {
		e.Title = title(resp.StatusCode)
	}
	if e.RequestID == "" {
		e.RequestID = resp.Header.Get(requestIDHeader)
	}
}

func title(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	return "Unknown status"
}

// unreadable is the error of an answer of which only the head is of use.
func unreadable(resp *http.Response, detail string, cause error) *APIError {
	e := newAPIError(resp)
	e.Detail, e.cause = detail, cause
	return e
}

// retryAfter reads both forms of the header (RFC 9110, section 10.2.3). A time is
// taken relative to the clock of the sender, for that of a device may be wrong.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0
	}
	return max(until.Sub(now), 0)
}
