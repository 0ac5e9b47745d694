package fieldgate

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An APIError is a response that is not a success. It is usually a refusal of the gateway,
// which the embedded problem document describes.
//
// Status and Title are always set. If Code is empty, the response was incomplete or did not
// come from the gateway, such as the error page of a proxy. Detail then describes what was
// wrong with the response, and the request may or may not have been executed. Command,
// SessionID, Approval, Assurance and Quota are set only with certain codes.
type APIError struct {
	Problem

	// RetryAfter is the minimum time that the gateway asks the caller to wait before a retry.
	// It is zero if the gateway asks for no wait.
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

// Unwrap returns the error that occurred while the response was read, or nil.
func (e *APIError) Unwrap() error { return e.cause }

// CodeOf returns the code with which the gateway refused a request. It returns "" for any other
// error and for nil.
func CodeOf(err error) ProblemCode {
	if refusal := asAPIError(err); refusal != nil {
		return refusal.Code
	}
	return ""
}

// asAPIError returns the first *APIError in the tree of an error, or nil.
func asAPIError(err error) *APIError {
	var refusal *APIError
	errors.As(err, &refusal)
	return refusal
}

// newAPIError returns an error with the status and the Retry-After header of a response.
func newAPIError(resp *http.Response) *APIError {
	e := &APIError{RetryAfter: retryAfter(resp.Header)}
	e.complete(resp)
	return e
}

// complete sets the fields that the problem document lacks. Status is always set to the status
// of the HTTP response, because proxies act on that status.
func (e *APIError) complete(resp *http.Response) {
	e.Status = resp.StatusCode
	if e.Title == "" {
		e.Title = statusTitle(resp.StatusCode)
	}
	if e.RequestID == "" {
		e.RequestID = resp.Header.Get(requestIDHeader)
	}
}

func statusTitle(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	return "Unknown status"
}

// responseError returns the error for a response with an unusable body.
func responseError(resp *http.Response, detail string, cause error) *APIError {
	e := newAPIError(resp)
	e.Detail, e.cause = detail, cause
	return e
}

// retryAfter returns the wait in a Retry-After header, or zero. The header contains a number of
// seconds or a date (RFC 9110, section 10.2.3). A date is compared with the Date header of the
// response, because the clock of the device may be wrong.
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
