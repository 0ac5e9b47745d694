package realtime

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"

	"github.com/fieldgate/fieldgate"
)

// Frame is a parsed message from a client.
type Frame struct {
	Type        string
	RequestID   string          // id that the reply repeats; empty if the client expects no reply
	Traceparent string          // span of the client, as the client has sent it; empty if it has sent none
	Data        json.RawMessage // valid JSON that shares the memory of the message; nil if the frame has no data

	// ID identifies the frame in logs, problem documents and the events that the frame
	// causes. ID is the RequestID, or a random id if the RequestID is empty.
	ID string

	// Log holds what Serve knows of the frame, for the log. It is never nil while Serve runs.
	Log *FrameLog

	memory *memory // counts the bytes that the frame holds; nil: they are not counted
}

// FrameLog holds ids that the log of a frame contains. Each is empty if it is unknown.
type FrameLog struct {
	TraceID string
	Sampled bool // the trace is recorded
	Session string
	Command string
}

// sampledTraceID returns the id of the trace if the trace is recorded, and "" otherwise.
func (l *FrameLog) sampledTraceID() string {
	if l == nil || !l.Sampled {
		return ""
	}
	return l.TraceID
}

// The frame types that the sockets of devices and the sockets of users have in common.
const (
	typeWelcome   = "welcome"
	typeReply     = "reply"
	typeError     = "error"
	typePing      = "ping"
	typeGoingAway = "going_away"
)

// errFrame is the error returned for a frame that cannot be parsed.
var errFrame = &fieldgate.Error{
	Code:   fieldgate.CodeValidationFailed,
	Detail: "A frame must be a JSON object with a type, and may have a requestId and data.",
	Fields: []fieldgate.FieldError{{Pointer: "", Keyword: "frame", Reason: "must be {\"type\": ..., \"requestId\": ..., \"data\": {...}}"}},
}

// These are the maximum lengths of a frame's type and requestId, in bytes. The requestId
// has the same maximum as the X-Request-ID header.
const (
	maxType      = 64
	maxRequestID = 128
)

// parseFrame parses a client's frame. It refuses unknown fields, as the HTTP API does.
// Even with an error, parseFrame returns a Frame, from which the error frame is built.
// That Frame has an ID, and a RequestID if the client's could be read.
func parseFrame(text []byte) (Frame, error) {
	e, ok := parseEnvelope(text)
	if !ok {
		return Frame{ID: rand.Text()}, errFrame
	}
	f := Frame{Type: parseString(e.kind), RequestID: parseString(e.requestID), Traceparent: parseString(e.traceparent), Data: e.data}
	valid := validRequestID(f.RequestID)
	if f.ID = f.RequestID; !valid {
		f.RequestID, f.ID = "", rand.Text()
	}
	if e.malformed || e.requestID != nil && !valid || f.Type == "" || len(f.Type) > maxType {
		return f, errFrame
	}
	return f, nil
}

// envelope holds the fields of a frame as raw JSON. An absent field is nil. A field that
// occurs twice is empty, because a proxy that inspected the frame may have read either
// value.
type envelope struct {
	kind, requestID, traceparent, data json.RawMessage
	malformed                          bool // true if the frame has an unknown field, or a field twice
}

// parseEnvelope splits a frame into its fields. It allocates nothing, and does not
// decode the data. It returns false if the text is not a JSON object.
func parseEnvelope(text []byte) (e envelope, ok bool) {
	if !json.Valid(text) {
		return envelope{}, false
	}
	text = bytes.TrimLeft(text, jsonSpace)
	if text[0] != '{' {
		return envelope{}, false
	}
	for rest := text[1:]; ; {
		rest = bytes.TrimLeft(rest, jsonSpace+",")
		if rest[0] == '}' {
			return e, true
		}
		n := valueLen(rest)
		name := unquote(rest[:n])
		rest = bytes.TrimLeft(rest[n:], jsonSpace+":")
		n = valueLen(rest)
		e.set(name, rest[:n:n])
		rest = rest[n:]
	}
}

// jsonSpace holds the characters that JSON allows between tokens.
const jsonSpace = " \t\r\n"

func (e *envelope) set(name []byte, value json.RawMessage) {
	var field *json.RawMessage
	switch string(name) {
	case "type":
		field = &e.kind
	case "requestId":
		field = &e.requestID
	case "traceparent":
		field = &e.traceparent
	case "data":
		field = &e.data
	default:
		e.malformed = true
		return
	}
	if *field != nil {
		e.malformed, value = true, json.RawMessage{}
	}
	*field = value
}

// valueLen returns the length of the JSON value with which text begins. The text must be
// valid JSON.
func valueLen(text []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
			if !quoted && depth == 0 {
				return i + 1
			}
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && bytes.IndexByte([]byte(jsonSpace+",}"), c) >= 0:
			return i // a number, true, false or null ends here
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// parseString returns the content of a JSON string. It returns an empty string for any
// other value. The value must be valid JSON.
func parseString(value json.RawMessage) string { return string(unquote(value)) }

// unquote is like parseString, but returns bytes. It copies the string only if the
// string has an escape.
func unquote(value json.RawMessage) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1]
	}
	var text string
	_ = json.Unmarshal(value, &text) // no error is possible: valid JSON that starts with a quote is a string
	return []byte(text)
}

// requireNoData returns an error if the frame has data other than an empty object. It is
// called for each type of frame that must have no data.
func (f Frame) requireNoData() error {
	var data map[string]json.RawMessage
	if f.Data == nil || json.Unmarshal(f.Data, &data) == nil && data != nil && len(data) == 0 {
		return nil
	}
	return errFrame
}

// validRequestID reports whether an id is also a valid value of the X-Request-ID header.
func validRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for _, c := range []byte(id) {
		alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alphanumeric && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// encodeFrame encodes a frame.
func encodeFrame(kind, requestID string, data any) ([]byte, error) {
	return json.Marshal(struct {
		Type      string `json:"type"`
		RequestID string `json:"requestId,omitempty"`
		Data      any    `json:"data,omitempty"`
	}{kind, requestID, data})
}

// CloseCode is the status code of a close frame. It tells a client whether to
// reconnect. The codes are part of the API.
type CloseCode int

// The close codes, which asyncapi.yaml documents.
const (
	CloseNormal      CloseCode = 1000
	CloseBinary      CloseCode = 1003
	CloseNotUTF8     CloseCode = 1007
	CloseFlood       CloseCode = 1008
	CloseTooLarge    CloseCode = 1009
	CloseInternal    CloseCode = 1011
	CloseGoingAway   CloseCode = 1012
	CloseOverloaded  CloseCode = 1013
	CloseExpired     CloseCode = 4001
	CloseWithdrawn   CloseCode = 4003
	CloseSilent      CloseCode = 4008
	CloseSuperseded  CloseCode = 4009
	CloseTooSlow     CloseCode = 4010
	closeAbnormal    CloseCode = 1006 // never sent; means that the connection ended without a close frame
	closeProtocol    CloseCode = 1002
	closeNoneWasSent CloseCode = 1005 // never sent; means that the client's close frame had no code
)

var errClosed = errors.New("the socket is closed")
