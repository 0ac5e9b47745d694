package api

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/fieldgate/fieldgate"
)

// BodyTimes bound the time that the body of a request may take. A body must arrive at a minimum
// rate on average, so that a large result on a slow link is accepted and a sender that stalls
// is not. A body of n bytes thus takes at most Timeout and n/MinRate seconds.
type BodyTimes struct {
	// Timeout is the time by which a body may be behind MinRate, at its beginning and later. A
	// body that was fast at first gains no more than that: otherwise a sender could occupy the
	// memory for a large body with a few bytes a minute. It must not be longer than
	// http.Server.ReadTimeout, which applies until the first bytes have arrived. Zero means 30 s.
	Timeout time.Duration

	// MinRate is the minimum average rate in bytes a second. Zero means 1024.
	MinRate int64

	// Response is the time from the end of a slow body to the end of its response. It replaces
	// http.Server.WriteTimeout, which includes the time of the body. Zero means 1 min.
	Response time.Duration
}

func (t BodyTimes) withDefaults() BodyTimes {
	return BodyTimes{
		Timeout:  cmp.Or(t.Timeout, 30*time.Second),
		MinRate:  cmp.Or(t.MinRate, 1<<10),
		Response: cmp.Or(t.Response, time.Minute),
	}
}

// A timedBody reads the body of a request and moves the deadlines of its connection as the body
// arrives.
type timedBody struct {
	BodyTimes
	source  io.Reader
	control *http.ResponseController

	due time.Time // when the next byte is due; at most Timeout ahead
	set time.Time // the read deadline of the connection
	err error     // the error of the last Read, such as io.EOF
}

// newTimedBody returns a reader of source whose time begins now. The connection keeps the
// deadlines of its server until a part of the body has arrived, so that most requests set none.
func newTimedBody(w http.ResponseWriter, source io.Reader, times BodyTimes) *timedBody {
	due := time.Now().Add(times.Timeout)
	return &timedBody{BodyTimes: times, source: source, control: http.NewResponseController(w), due: due, set: due}
}

// Read reads from the body. It sets no deadline after the body has ended: net/http then reads
// ahead without a deadline, to notice that the client has gone.
func (b *timedBody) Read(p []byte) (n int, err error) {
	if b.err != nil {
		return 0, b.err
	}
	b.extend()
	n, b.err = b.source.Read(p)
	b.due = b.due.Add(timeFor(int64(n), b.MinRate))
	return n, b.err
}

// pause excludes a time in which the gateway did not read from the time of the body.
func (b *timedBody) pause(d time.Duration) { b.due = b.due.Add(d) }

// extend moves the deadlines of the connection, if that changes them noticeably. A writer
// without a connection has no deadlines.
func (b *timedBody) extend() {
	if latest := time.Now().Add(b.Timeout); b.due.After(latest) {
		b.due = latest
	}
	if b.due.Sub(b.set) < b.Timeout/32 {
		return
	}
	b.set = b.due
	_ = b.control.SetReadDeadline(b.due)
	_ = b.control.SetWriteDeadline(b.due.Add(b.Response))
}

// isTimeout reports whether err, an error of Read, means that the body was too slow.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// tooSlow returns the refusal of a body that was too slow.
func (b *timedBody) tooSlow(cause error) error {
	refused := fieldgate.Refuse(fieldgate.CodeRequestTimeout, fmt.Sprintf(
		"The body arrived too slowly: send at least %d bytes a second, on average over %s. Send it again, or a smaller one.",
		b.MinRate, b.Timeout))
	refused.Cause = cause
	return refused
}
