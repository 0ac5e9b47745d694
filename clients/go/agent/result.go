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

// MaxData is the maximum size of Result.Data in bytes, encoded as JSON.
const MaxData = 128 << 10

// newResult returns the result to submit for a command. returned and err are the values that the
// handler returned, and ctx is the context of the handler. If the data cannot be encoded, the
// result is a failure.
func newResult(ctx context.Context, returned Result, err error) fieldgate.ResultRequest {
	result := fieldgate.ResultRequest{Status: fieldgate.ResultStatusSucceeded, Output: returned.Output}
	data, dataErr := encodeData(returned.Data)
	if err == nil {
		err = dataErr
	}
	code := ""
	if err != nil {
		result.Status, code, result.Error = classifyError(ctx, err)
	}
	result.Data = withCode(data, code)
	return fieldgate.TruncateResult(result)
}

// classifyError returns the status, code and reason to submit for err, the error of a handler.
func classifyError(ctx context.Context, err error) (status fieldgate.ResultStatus, code, reason string) {
	cause := context.Cause(ctx)
	failed := fieldgate.ResultStatusFailed
	switch {
	case !isContextError(ctx, err):
		return failed, failureCode(err), err.Error()
	case errors.Is(cause, ErrCancelRequested):
		return fieldgate.ResultStatusCancelled, "", cause.Error()
	case errors.Is(cause, ErrTimeout):
		return failed, CodeTimeout, cause.Error()
	}
	return failed, CodeInterrupted, cause.Error()
}

// isContextError reports whether ctx has ended and err is the error of ctx.
func isContextError(ctx context.Context, err error) bool {
	if ctx.Err() == nil {
		return false
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Cause(ctx))
}

// failureCode returns the code of a Failure, and CodeFailed for any other error.
func failureCode(err error) string {
	var failure *Failure
	if errors.As(err, &failure) && failure.Code != "" {
		return failure.Code
	}
	return CodeFailed
}

// encodeData encodes the data that a handler returned. It returns the members of the encoded
// JSON object.
func encodeData(data any) (map[string]json.RawMessage, error) {
	if data == nil {
		return nil, nil
	}
	text, err := json.Marshal(data)
	if err != nil {
		return nil, Fail(CodeInvalidResult, "encoding the data of the result: %w", err)
	}
	if len(text) > MaxData {
		return nil, Fail(CodeInvalidResult, "the data of the result has %d bytes, which is more than %d", len(text), MaxData)
	}
	if !utf8.Valid(text) {
		return nil, Fail(CodeInvalidResult, "the data of the result is not UTF-8")
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, Fail(CodeInvalidResult, "the data of the result is not a JSON object: %w", err)
	}
	return object, nil
}

// withCode encodes data as a JSON object. It adds the member "code" unless code is empty. The
// names are sorted, so that equal results have equal JSON.
func withCode(data map[string]json.RawMessage, code string) json.RawMessage {
	if code != "" {
		if data == nil {
			data = map[string]json.RawMessage{}
		}
		data["code"], _ = json.Marshal(code) // encoding a string never fails
	}
	if data == nil {
		return nil
	}
	text, err := json.Marshal(data)
	if err != nil {
		return nil // cannot happen, because the values are already encoded
	}
	return text
}

// interruptedResult returns the result for a command that was running when the agent died.
func interruptedResult() fieldgate.ResultRequest {
	return fieldgate.ResultRequest{
		Status: fieldgate.ResultStatusFailed,
		Error:  "the agent ended while it ran the command: how far the command got is not known",
		Data:   withCode(nil, CodeInterrupted),
	}
}

// replacement returns a result with the status failed. The agent submits it in place of result,
// because the gateway refused result as invalid.
func replacement(result fieldgate.ResultRequest, refusal error) fieldgate.ResultRequest {
	return fieldgate.TruncateResult(fieldgate.ResultRequest{
		ClaimToken: result.ClaimToken, Status: fieldgate.ResultStatusFailed,
		Error: fmt.Sprintf("the command ended as %s, but the gateway refused its result: %v", result.Status, refusal),
		Data:  withCode(nil, CodeInvalidResult),
	})
}

// isReplacement reports whether the function replacement built result.
func isReplacement(result fieldgate.ResultRequest) bool {
	return result.Output == "" && bytes.Equal(result.Data, withCode(nil, CodeInvalidResult))
}
