package request

import (
	"context"
	"strings"
)

// traceparentLength is the length of a traceparent of version 00, in characters.
const traceparentLength = 55

// These are the positions in a traceparent of version 00, such as
// "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".
const (
	traceIDAt = 3
	spanIDAt  = traceIDAt + 32 + 1
	flagsAt   = spanIDAt + 16 + 1
)

// Traceparent returns the value of a traceparent header (W3C Trace Context, section 3.2) in the form
// of version 00, with no other flag than sampled. It returns "" for an invalid value, which the
// recommendation requires to ignore. A later version may be longer.
func Traceparent(header string) string {
	if len(header) < traceparentLength || header[:2] == "ff" || !isTraceparent(header) {
		return ""
	}
	if len(header) > traceparentLength && (header[:2] == "00" || header[traceparentLength] != '-') {
		return ""
	}
	flags := "-00"
	if isSampled(header) {
		flags = "-01"
	}
	if header[:2] == "00" && header[flagsAt-1:] == flags {
		return header
	}
	return "00" + header[2:flagsAt-1] + flags
}

// isTraceparent reports whether text begins with the four fields of a traceparent, in lower case, and
// whether neither id consists of zeros only.
func isTraceparent(text string) bool {
	for i := range traceparentLength {
		if isDash := i == traceIDAt-1 || i == spanIDAt-1 || i == flagsAt-1; isDash != (text[i] == '-') || !isDash && !isHex(text[i]) {
			return false
		}
	}
	return !isZero(text[traceIDAt:spanIDAt-1]) && !isZero(text[spanIDAt:flagsAt-1])
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }

func isZero(id string) bool {
	for i := range len(id) {
		if id[i] != '0' {
			return false
		}
	}
	return true
}

// isSampled reports whether the flag sampled is set, the last bit of a valid traceparent.
func isSampled(traceparent string) bool {
	return strings.IndexByte("13579bdf", traceparent[flagsAt+1]) >= 0
}

// TraceID returns the id of the trace that the request belongs to, 32 characters in lower case, or ""
// if it belongs to none. Logs contain it, whether or not the trace is recorded.
func TraceID(ctx context.Context) string { return Of(ctx).TraceID() }

// SampledTraceID is TraceID for a trace whose sampled flag is set, and "" for any other. Exemplars
// refer to such traces only, because no other can be looked up.
func SampledTraceID(ctx context.Context) string {
	if info := Of(ctx); info.Sampled() {
		return info.TraceID()
	}
	return ""
}

// SampledTraceparent returns the current span of the request if its trace is recorded, and "" otherwise.
// Only such a span is kept in the store.
func SampledTraceparent(ctx context.Context) string {
	if info := Of(ctx); info.Sampled() {
		return info.Traceparent
	}
	return ""
}

// Sampled reports whether the request belongs to a trace that is recorded.
func (i *Info) Sampled() bool { return i.Traceparent != "" && isSampled(i.Traceparent) }

// TraceID returns the id of the trace that the request belongs to, or "".
func (i *Info) TraceID() string {
	if i.Traceparent == "" {
		return ""
	}
	return i.Traceparent[traceIDAt : spanIDAt-1]
}
