package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// OtherResult is a result that a device submitted although the command had ended with another one.
// Two machines may then have executed the command.
type OtherResult struct {
	Status     Status    `json:"status"`
	ReceivedAt time.Time `json:"receivedAt"`
	Result     Result    `json:"result"`
	Shortened  bool      `json:"shortened,omitempty"` // parts of the result were too large to be kept
}

// maxOtherText is the maximum size, in bytes, of each part of an OtherResult.
const maxOtherText = 8 << 10

// newOtherResult returns what is kept of a result that does not stand.
func newOtherResult(status Status, r Result) OtherResult {
	other := OtherResult{Status: status, ReceivedAt: time.Now().UTC().Truncate(time.Millisecond), Result: r}
	kept := &other.Result
	kept.Output, kept.Error = shorten(r.Output), shorten(r.Error)
	if len(r.Data) > maxOtherText {
		kept.Data = nil
	}
	other.Shortened = len(kept.Output) < len(r.Output) || len(kept.Error) < len(r.Error) || len(kept.Data) < len(r.Data)
	return other
}

// shorten returns the first maxOtherText bytes of a text, without an incomplete character.
func shorten(text string) string {
	if len(text) <= maxOtherText {
		return text
	}
	return strings.ToValidUTF8(text[:maxOtherText], "")
}

// keepOther keeps a result that was refused because the command had ended with another one, and
// records the event command.result_conflict, also if the device has gone. It logs the first other result
// of a command, and a failure of the store. The refusal is the answer to the device in any case.
func (q *Queue) keepOther(ctx context.Context, ref ClaimRef, status Status, r Result, fingerprint any) {
	kept, err := json.Marshal(newOtherResult(status, r))
	var reply store.Reply
	if err == nil {
		call := scriptCall{args: []any{string(status), fingerprint, kept}}
		reply, _, err = q.runAsDevice(context.WithoutCancel(ctx), resultConflictScript, ref, call)
	}
	switch {
	case err != nil && !fieldgate.CodeOf(err).IsFault(): // such as a login that has ended meanwhile
	case err != nil:
		q.log.WarnContext(ctx, "keeping another result of a command that has ended failed", "device", ref.Device.ID, "command", ref.CommandID, "error", err)
	case reply.Int(3) == 1:
		q.log.WarnContext(ctx, "refused another result of a command that has ended", "device", ref.Device.ID, "command", ref.CommandID, "status", status)
	}
}

// decodeOther decodes an OtherResult. It returns nil for an empty text.
func decodeOther(text string) (*OtherResult, error) {
	if text == "" {
		return nil, nil
	}
	other := new(OtherResult)
	if err := json.Unmarshal([]byte(text), other); err != nil {
		return nil, fmt.Errorf("decoding the other result of a command: %w", err)
	}
	return other, nil
}
