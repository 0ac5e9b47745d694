// Package problem turns errors into problem documents (RFC 9457), in one place for
// all of the gateway: HTTP answers and error frames of sockets alike.
//
// Only what a *fieldgate.Error says of itself survives: its code, detail and the
// state that comes with it. Its cause, and every other error, goes to the log and
// reaches the caller as code internal without a word of what happened.
package problem

import (
	"errors"

	"github.com/fieldgate/fieldgate"
)

// ContentType is the media type of a problem document.
const ContentType = "application/problem+json"

// typePrefix makes a URI of a code: the page that explains it. It is a reference without
// a host (RFC 9457, section 3.1.1), because the host that a caller sees is not known here.
const typePrefix = "/docs/errors/"

// Document is a problem as the contract describes it.
type Document struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail,omitempty"`
	Code      fieldgate.Code `json:"code"`
	RequestID string         `json:"requestId"`
	Errors    []fieldError   `json:"errors,omitempty"`
	Command   *command       `json:"command,omitempty"`
	SessionID string         `json:"sessionId,omitempty"`
	Approval  *approval      `json:"approval,omitempty"`
}

type fieldError struct {
	Pointer string `json:"pointer"`
	Keyword string `json:"keyword"`
	Reason  string `json:"reason"`
}

type command struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Attempt int    `json:"attempt"`
}

type approval struct {
	Decision  string              `json:"decision"`
	DecidedBy string              `json:"decidedBy"`
	DecidedAt fieldgate.Timestamp `json:"decidedAt"`
	Reason    string              `json:"reason,omitempty"`
}

// Of describes an error to the caller whose request it ended.
func Of(err error, requestID string) Document {
	refusal := Refusal(err)
	kind := kindOf(refusal.Code)
	return Document{
		Type:      typePrefix + string(refusal.Code),
		Title:     kind.title,
		Status:    kind.status,
		Detail:    refusal.Detail,
		Code:      refusal.Code,
		RequestID: requestID,
		Errors:    fieldErrors(refusal.Fields),
		Command:   (*command)(refusal.Command),
		SessionID: refusal.SessionID,
		Approval:  decided(refusal.Approval),
	}
}

// Refusal finds what a caller may be told of an error. An error that is none of the
// contract's is our own fault, and the caller learns no more than that.
func Refusal(err error) *fieldgate.Error {
	var refusal *fieldgate.Error
	if errors.As(err, &refusal) && Known(refusal.Code) {
		return refusal
	}
	return &fieldgate.Error{
		Code:   fieldgate.CodeInternal,
		Detail: "Something went wrong on our side.",
		Cause:  err,
	}
}

func fieldErrors(fields []fieldgate.FieldError) []fieldError {
	if len(fields) == 0 {
		return nil
	}
	out := make([]fieldError, len(fields))
	for i, field := range fields {
		out[i] = fieldError(field)
	}
	return out
}

func decided(a *fieldgate.Approval) *approval {
	if a == nil {
		return nil
	}
	return &approval{
		Decision:  a.Decision,
		DecidedBy: a.DecidedBy,
		DecidedAt: fieldgate.At(a.DecidedAt),
		Reason:    a.Reason,
	}
}
