package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// MaxData is how many bytes the data of a result may have as JSON.
const MaxData = 128 << 10

// outcomeOf makes of what a handler returned what is reported.
func outcomeOf(ctx context.Context, result Result, err error) fieldgate.ResultRequest {
	outcome := fieldgate.ResultRequest{Status: fieldgate.ResultStatusSucceeded, Output: result.Output}
	data, faulty := encodeData(result.Data)
	if err == nil {
		err = faulty
	}
	code := ""
	if err != nil {
		outcome.Status, code, outcome.Error = judge(ctx, err)
	}
	outcome.Data = withCode(data, code)
	return fieldgate.TruncateResult(outcome)
}

// judge tells what an error of a handler means.
func judge(ctx context.Context, err error) (status fieldgate.ResultStatus, code, reason string) {
	cause := context.Cause(ctx)
	failed := fieldgate.ResultStatusFailed
	switch {
	case !stopped(ctx, err):
		return failed, codeOf(err), err.Error()
	case errors.Is(cause, ErrCancelRequested):
		return fieldgate.ResultStatusCancelled, "", cause.Error()
	case errors.Is(cause, ErrTimeout):
		return failed, CodeTimeout, cause.Error()
	}
	return failed, CodeInterrupted, cause.Error()
}

// stopped tells whether a handler gave up because its context had ended.
func stopped(ctx context.Context, err error) bool {
	if ctx.Err() == nil {
		return false
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Cause(ctx))
}

func codeOf(err error) string {
	var failure *Failure
	if errors.As(err, &failure) && failure.Code != "" {
		return failure.Code
	}
	return CodeFailed
}

// encodeData makes a JSON object of what a handler gave for programs.
func encodeData(data any) (map[string]json.RawMessage, error) {
	if data == nil {
		return nil, nil
	}
	text, err := json.Marshal(data)
	if err != nil {
		return nil, Fail(CodeInvalidResult, "writing the data of the result: %w", err)
	}
	if len(text) > MaxData {
		return nil, Fail(CodeInvalidResult, "the data of the result has %d bytes, which is more than %d", len(text), MaxData)
	}
	if !utf8.Valid(text) {
		return nil, Fail(CodeInvalidResult, "the data of the result is not UTF-8")
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, Fail(CodeInvalidResult, "the data of the result is no JSON object: %w", err)
	}
	return object, nil
}

// withCode adds the code of a failure to the data. The names come out sorted, so that the
// same outcome is the same text each time.
func withCode(data map[string]json.RawMessage, code string) json.RawMessage {
	if code != "" {
		if data == nil {
			data = map[string]json.RawMessage{}
		}
		data["code"], _ = json.Marshal(code) // text can always be written
	}
	if data == nil {
		return nil
	}
	text, err := json.Marshal(data)
	if err != nil {
		return nil // each part of it was written before
	}
	return text
}

// interrupted is what is reported of a command that was being done when the agent died.
func interrupted() fieldgate.ResultRequest {
	return fieldgate.ResultRequest{
		Status: fieldgate.ResultStatusFailed,
		Error:  "the agent ended while it worked on this: how far it got is not known",
		Data:   withCode(nil, CodeInterrupted),
	}
}

// unreportable stands in for an outcome that the gateway does not take.
func unreportable(outcome fieldgate.ResultRequest, refusal error) fieldgate.ResultRequest {
	return fieldgate.TruncateResult(fieldgate.ResultRequest{
		ClaimToken: outcome.ClaimToken, Status: fieldgate.ResultStatusFailed,
		Error: fmt.Sprintf("it ended as %s, but the gateway did not take the result: %v", outcome.Status, refusal),
		Data:  withCode(nil, CodeInvalidResult),
	})
}

// standsIn tells whether an outcome is an unreportable one.
func standsIn(outcome fieldgate.ResultRequest) bool {
	return outcome.Output == "" && bytes.Equal(outcome.Data, withCode(nil, CodeInvalidResult))
}
