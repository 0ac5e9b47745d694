package agent

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// These bound what the reports of a command cost.
const (
	// reportDelay is the time between the first value to report and the first report. A command that
	// ends before is not reported: users see its result at once.
	reportDelay = 300 * time.Millisecond

	// reportInterval is the minimum interval between two reports of a command, also after one that failed.
	reportInterval = time.Second

	// reportShare is the rest after a report, as a multiple of the time that it was on its way, so that
	// reports leave most of a slow link to results and other calls.
	reportShare = 3

	// lastReportTimeout bounds how long the result of a command waits for its last report.
	lastReportTimeout = 2 * time.Second

	// maxReportMessage is the maximum length of a message in characters, as the contract has it.
	maxReportMessage = 256
)

// Progress reports how far the command is whose handler has the context ctx. percent is from 0 to
// 100. message says what the command is doing, and is cut to 256 characters.
//
// Progress only notes the values and returns at once. The agent reports the newest ones, at most once a
// second, and nothing of a command that ends sooner than in a third of a second. Reports that are lost
// do not affect the command. While it runs without a socket, the agent also learns from the response to
// a report that a user has cancelled it. Progress does nothing if ctx is not the context of a handler.
func Progress(ctx context.Context, percent float64, message string) {
	if r := reporterOf(ctx); r != nil && !math.IsNaN(percent) {
		r.note(min(max(percent, 0), 100), firstCharacters(message, maxReportMessage))
	}
}

// firstCharacters returns at most n characters of text, as valid UTF-8.
func firstCharacters(text string, n int) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	for i := range text {
		if n--; n < 0 {
			return text[:i]
		}
	}
	return text
}

// Output returns a writer for what the command prints whose handler has the context ctx. Users see it
// while the command runs, and the last 256 KiB later. It is not part of the Result.
//
// Write never blocks and never fails. The agent keeps 64 KiB that are not reported yet. If a slow
// link leaves more, it drops the oldest and says how much, in the output. Bytes that are not UTF-8
// are replaced. The output is reported as [Progress] describes. The writer discards everything if ctx
// is not the context of a handler.
func Output(ctx context.Context) io.Writer {
	if r := reporterOf(ctx); r != nil {
		return r
	}
	return io.Discard
}

// reporterKey is the key of the reporter in the context of a handler.
type reporterKey struct{}

func reporterOf(ctx context.Context) *reporter {
	r, _ := ctx.Value(reporterKey{}).(*reporter)
	return r
}

// A reporter reports the progress of a job. It starts its goroutine with the first value to report.
type reporter struct {
	worker *worker
	id     string // of the command
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // receives an element when there may be something to report
	done   chan struct{} // closed when the goroutine has ended

	// Only the goroutine uses these.
	seq     int    // number of the newest report that has arrived under token
	token   string // claim token of the newest report that has arrived
	posted  string // claim token of the newest report that was sent
	resumed bool   // whether an earlier run of the agent may have reported, and nothing has arrived since

	mu       sync.Mutex
	started  bool
	closed   bool          // the handler has ended, so that nothing is added
	finish   chan struct{} // closed with the field closed
	percent  *float64
	message  *string
	output   pendingOutput
	noOutput bool // the gateway keeps no more output
}

// withReporter returns a context in which the handler of j may report progress. resumed reports whether an
// earlier run of the agent has executed the command.
func (w *worker) withReporter(ctx, base context.Context, j *job, resumed bool) (context.Context, *reporter) {
	r := &reporter{
		worker: w, id: j.command.ID, resumed: resumed,
		wake: make(chan struct{}, 1), done: make(chan struct{}), finish: make(chan struct{}),
	}
	r.ctx, r.cancel = context.WithCancel(base)
	return context.WithValue(ctx, reporterKey{}, r), r
}

// note stores values that replace those that are not reported yet.
func (r *reporter) note(percent float64, message string) {
	r.add(func() { r.percent, r.message = &percent, &message })
}

// Write adds output that is not reported yet.
func (r *reporter) Write(p []byte) (int, error) {
	r.add(func() {
		if !r.noOutput {
			r.output.add(p)
		}
	})
	return len(p), nil
}

// add calls f to add something to report, unless the handler has ended.
func (r *reporter) add(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	f()
	if !r.started {
		r.started = true
		go r.run()
	}
	select {
	case r.wake <- struct{}{}:
	default: // a wake-up is already pending
	}
}

// close reports what is left, within lastReportTimeout, and ends the reporter.
func (r *reporter) close() {
	defer r.cancel()
	r.mu.Lock()
	started := r.started
	r.closed = true
	r.mu.Unlock()
	close(r.finish)
	if !started {
		return
	}
	timer := time.NewTimer(lastReportTimeout)
	defer timer.Stop()
	select {
	case <-r.done:
	case <-timer.C:
	}
}

// run reports until the handler has ended and everything is reported, or the gateway wants no more.
func (r *reporter) run() {
	defer close(r.done)
	if r.pause(reportDelay); r.hasEnded() {
		return
	}
	for {
		report, found := r.next()
		if !found {
			if r.hasEnded() || !r.awaitMore() {
				return
			}
			continue
		}
		start := time.Now()
		if !r.send(report) {
			r.stop()
			return
		}
		r.pause(restAfter(start))
	}
}

// hasEnded reports whether the handler has ended.
func (r *reporter) hasEnded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// awaitMore waits until there is something to report or the handler has ended. It reports whether
// the reporter is still wanted.
func (r *reporter) awaitMore() bool {
	select {
	case <-r.wake:
	case <-r.finish:
	case <-r.ctx.Done():
	}
	return r.ctx.Err() == nil
}

// pause waits for d, but not after the handler has ended. It reports whether it waited for all of d.
func (r *reporter) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.finish:
	case <-r.ctx.Done():
	}
	return false
}

// next takes what is to be reported next. It reports false if there is nothing.
func (r *reporter) next() (report fieldgate.ProgressRequest, found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	output := r.output.take(r.closed)
	if r.percent == nil && output == "" {
		return fieldgate.ProgressRequest{}, false
	}
	report = fieldgate.ProgressRequest{Percent: r.percent, Message: r.message, Output: output}
	r.percent, r.message = nil, nil
	return report, true
}

// stop drops what is not reported and refuses more.
func (r *reporter) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.output = true, pendingOutput{}
}

// send sends a report until it arrives. It returns false if the command is not to be reported any
// more: it has ended, or the gateway is too old. While the claim is lost, send waits for a newer one.
func (r *reporter) send(report fieldgate.ProgressRequest) bool {
	for delay := (backoff{}); ; {
		start := time.Now()
		err := r.sendOnce(report)
		switch {
		case err == nil:
			return true
		case fieldgate.CodeOf(err) == fieldgate.CodeQuotaExceeded:
			r.dropOutput()
			if report.Output = ""; report.Percent == nil {
				return true
			}
		case isLostClaim(err):
			if !r.awaitClaim() {
				return false
			}
			delay = backoff{}
			continue
		case r.ctx.Err() != nil || refusesProgress(err):
			return false
		}
		if !r.pause(max(restAfter(start), delay.delay(err))) {
			return false // the result does not wait for a gateway that does not respond
		}
	}
}

// restAfter returns how long a reporter rests after an attempt that has begun at start.
func restAfter(start time.Time) time.Duration {
	return max(reportInterval, reportShare*time.Since(start))
}

// sendOnce sends a report under the newest claim. The number stays the same until the report has arrived,
// so that a repetition changes nothing. If another report had the number, sendOnce takes the next one.
func (r *reporter) sendOnce(report fieldgate.ProgressRequest) error {
	if err := r.follow(); err != nil {
		return err
	}
	for range 2 {
		report.ClaimToken, report.Seq = r.token, r.seq+1
		reply, err := r.post(report)
		if err != nil {
			return err
		}
		r.seq = max(report.Seq, reply.Seq)
		if r.seq == report.Seq {
			break
		}
	}
	return nil
}

// follow takes over the newest claim of the command. The reports of a claim count from 1. Before the first
// report of a resumed command, follow asks for the number of the newest one, with an empty report: an
// earlier run of the agent may have reported under the same claim, and a report with a number that
// was used is lost.
func (r *reporter) follow() error {
	token, seq := r.worker.journal.token(r.id), 0
	if token == r.token {
		return nil
	}
	if r.resumed {
		reply, err := r.post(fieldgate.ProgressRequest{ClaimToken: token})
		if err != nil {
			return err
		}
		seq = reply.Seq
	}
	r.token, r.seq, r.resumed = token, seq, false
	return nil
}

// post sends a report once. It cancels the command if the response asks for that.
func (r *reporter) post(report fieldgate.ProgressRequest) (fieldgate.ProgressReply, error) {
	r.posted = report.ClaimToken
	api, _ := r.worker.uplink.current()
	reply, err := api.ReportProgress(r.ctx, r.id, report)
	if err == nil && reply.CancelRequested {
		r.worker.cancel(r.id, "")
	}
	return reply, err
}

// awaitClaim waits until the command is claimed again. It returns false if the handler ends first.
func (r *reporter) awaitClaim() bool {
	for r.pause(reportInterval) {
		if r.worker.journal.token(r.id) != r.posted {
			return true
		}
	}
	return false
}

// dropOutput drops the output of the command from now on.
func (r *reporter) dropOutput() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noOutput, r.output = true, pendingOutput{}
	r.worker.log.Warn("not reporting the output of a command: the quota of the tenant is used up", "command", r.id)
}

// isLostClaim reports whether err is the refusal of a claim. The command may still be claimed again.
func isLostClaim(err error) bool {
	switch fieldgate.CodeOf(err) {
	case fieldgate.CodeClaimExpired, fieldgate.CodeClaimSuperseded, fieldgate.CodeInvalidClaimToken:
		return true
	}
	return false
}

// refusesProgress reports whether err is the refusal of a command that has ended, or of a gateway of
// an earlier version, which knows no progress.
func refusesProgress(err error) bool {
	if isPermanent(err) {
		return true
	}
	var refused *fieldgate.APIError
	return errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusMethodNotAllowed)
}
