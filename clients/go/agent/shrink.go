package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// noLimit is the limit of a result that is submitted whole.
const noLimit = math.MaxInt

// shrinkSteps are the sizes in bytes to which a result is shrunk, one after another, while the
// link does not carry it. The last one leaves the status and the code.
var shrinkSteps = [...]int{48 << 10, 12 << 10, 3 << 10, 0}

// minShrinkable is the size in bytes up to which a result is never shrunk, because its size is
// not the reason for a refusal.
const minShrinkable = 1 << 10

// maxSmallRefusals is the number of refusals about the size of a submission that has no smaller form,
// after which the agent replaces the result. The size is then not the reason.
const maxSmallRefusals = 5

// maxLeftError is the part of the error in bytes that a result keeps at the last step.
const maxLeftError = 512

// A submission is a result that is being submitted. Something between the device and the
// gateway may refuse or break large requests: a proxy with a limit, a filter that dislikes the
// content, a link that is too slow. The status of the command must arrive nevertheless. The
// submission is shrunk only if small requests get through while this one does not.
type submission struct {
	full    fieldgate.ResultRequest // as recorded
	limit   int                     // maximum size of its texts in bytes
	refused int                     // attempts in a row that failed at this size while small requests got through
	learned bool                    // whether the last shrinking was for the size of the submission
	small   int                     // refusals about the size of the smallest form
}

// content returns the result to send.
func (s *submission) content() fieldgate.ResultRequest {
	if sizeOf(s.full) <= max(s.limit, minShrinkable) {
		return s.full
	}
	return shrinkResult(s.full, s.limit)
}

// isShrinkable reports whether there is a smaller form of the submission.
func (s *submission) isShrinkable() bool { return sizeOf(s.content()) > minShrinkable && s.limit > 0 }

// fail counts a failed attempt, while small requests get through. It shrinks the submission if
// that was tried often enough for an error of this kind, and reports whether it did.
func (s *submission) fail(err error) bool {
	s.refused++
	if s.refused < patience(err) {
		return false
	}
	size := sizeOf(s.content())
	for _, step := range shrinkSteps {
		if step < size {
			s.limit, s.refused, s.learned = step, 0, isForSize(err)
			return true
		}
	}
	return false
}

// patience returns how often a result is submitted at one size before it is shrunk. It returns
// math.MaxInt if another size would not help.
func patience(err error) int {
	var refused *fieldgate.APIError
	if !errors.As(err, &refused) {
		return 3 // a timeout, or a broken connection
	}
	switch {
	case refused.Status == http.StatusRequestEntityTooLarge, refused.Code == fieldgate.CodeBodyTooLarge:
		return 1
	case refused.Code == fieldgate.CodeRequestTimeout, isIncomplete(refused):
		return 2
	case refused.Code != "":
		return math.MaxInt
	case refused.Status >= http.StatusInternalServerError:
		return 4 // the page of a balancer without an instance, perhaps
	}
	return 2 // the page of a proxy
}

// isForSize reports whether err says that the link does not carry requests of this size: a refusal
// for the size, a timeout, or a broken connection. The page of a proxy may have another reason.
func isForSize(err error) bool {
	var refused *fieldgate.APIError
	if !errors.As(err, &refused) || isAboutSize(err) {
		return true
	}
	return refused.Status == http.StatusRequestEntityTooLarge || refused.Code == fieldgate.CodeRequestTimeout
}

// isIncomplete reports whether the gateway received a part of the request only, because the
// connection between proxy and gateway has broken or a proxy has cut the body. Earlier gateways use
// the keyword "syntax" for this. They also use it for content that is invalid at any size, so the
// reason decides.
func isIncomplete(refused *fieldgate.APIError) bool {
	if refused.Code != fieldgate.CodeValidationFailed || len(refused.Errors) != 1 {
		return false
	}
	switch wrong := refused.Errors[0]; wrong.Keyword {
	case "incomplete":
		return true
	case "syntax":
		return strings.HasPrefix(wrong.Reason, "is incomplete") || wrong.Reason == "is not complete JSON"
	}
	return false
}

// giveUp counts a refusal about the size of a submission that has no smaller form. It reports whether
// there were so many that the result must be replaced. The agent never gives up a replacement.
func (s *submission) giveUp(err error) bool {
	if !isAboutSize(err) || s.isShrinkable() || isReplacement(s.full) {
		return false
	}
	s.small++
	return s.small >= maxSmallRefusals
}

// isAboutSize reports whether err says that a request did not arrive whole, or was too large.
// Such a refusal is not one of the content.
func isAboutSize(err error) bool {
	var refused *fieldgate.APIError
	return errors.As(err, &refused) && (refused.Code == fieldgate.CodeBodyTooLarge || isIncomplete(refused))
}

// sizeOf returns the size of the parts of a result that may be large.
func sizeOf(result fieldgate.ResultRequest) int {
	return len(result.Output) + len(result.Error) + len(result.Data)
}

// shrinkResult returns result with texts of about the given number of bytes. The status stays,
// and so does the code in the data. The last line of a cut text says that it was cut.
func shrinkResult(result fieldgate.ResultRequest, bytes int) fieldgate.ResultRequest {
	if omitted := len(result.Data); omitted > max(bytes/2, minShrinkable/2) {
		result.Data = withCode(nil, codeIn(result.Data))
		result.Output += fmt.Sprintf("\n[data of %d bytes was left out]", omitted)
	}
	result.Error = fieldgate.TruncateText(result.Error, max(bytes/4, maxLeftError))
	result.Output = fieldgate.TruncateText(result.Output, bytes-len(result.Error)-len(result.Data))
	return result
}

// codeIn returns the member "code" of the data of a result, or "" if it has none.
func codeIn(data json.RawMessage) string {
	var object struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(data, &object) // a code of another type is no code of the agent
	return object.Code
}
