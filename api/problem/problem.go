// Package problem converts errors to problem documents (RFC 9457). It is the only package that
// does, both for HTTP responses and for error frames of sockets.
//
// A problem document contains only the code, the detail and the state of a *fieldgate.Error.
// The cause of a *fieldgate.Error is logged and not sent. For every other error, the document
// has the code internal and no details.
package problem

import (
	"errors"

	"github.com/fieldgate/fieldgate"
)

// ContentType is the media type of a problem document.
const ContentType = "application/problem+json"

// typePrefix is the path of the pages that explain the codes. The type of a problem is a URI
// reference without a host (RFC 9457, section 3.1.1), because the gateway does not know its
// host name as callers see it.
const typePrefix = "/docs/errors/"

// Document is a problem document of the contract.
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
	Assurance string         `json:"assurance,omitempty"`
	Quota     string         `json:"quota,omitempty"`
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
	Decision       string              `json:"decision"`
	DecidedBy      string              `json:"decidedBy"`
	DecidedByActor actorDetails        `json:"decidedByActor"`
	DecidedAt      fieldgate.Timestamp `json:"decidedAt"`
	Reason         string              `json:"reason,omitempty"`
}

type actorDetails struct {
	Kind  string `json:"kind"`
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// Of returns the problem document for err, to be sent to the caller of the request.
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
		Approval:  approvalOf(refusal.Approval),
		Assurance: refusal.Assurance,
		Quota:     refusal.Quota,
	}
}

// Refusal returns the *fieldgate.Error in err, if its code is in the contract. Any other error
// is a fault of the gateway; Refusal then returns an Error with the code internal and the cause
// err.
func Refusal(err error) *fieldgate.Error {
	var refusal *fieldgate.Error
	if errors.As(err, &refusal) && Known(refusal.Code) {
		return refusal
	}
	return &fieldgate.Error{
		Code:   fieldgate.CodeInternal,
		Detail: "The gateway failed to process the request. Report its requestId to the operator.",
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

func approvalOf(a *fieldgate.Approval) *approval {
	if a == nil {
		return nil
	}
	return &approval{
		Decision:       a.Decision,
		DecidedBy:      a.DecidedBy,
		DecidedByActor: actorDetails{Kind: "user", ID: a.DecidedBy, Name: a.Names.Name, Email: a.Names.Email},
		DecidedAt:      fieldgate.At(a.DecidedAt),
		Reason:         a.Reason,
	}
}
