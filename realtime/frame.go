package realtime

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"

	"github.com/fieldgate/fieldgate"
)

// Frame is a message of a client, a JSON object.
type Frame struct {
	Type      string
	RequestID string          // of the reply; empty if the client expects no reply
	Data      json.RawMessage // nil if it is absent

	// ID identifies the frame in logs, problem documents and the events that it
	// causes. It is the RequestID, or a random id if that is empty.
	ID string
}

// The frame types that both sockets have.
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

// The maximum lengths of a frame's type and of its requestId. The latter is that of the
// X-Request-ID header.
const (
	maxType      = 64
	maxRequestID = 128
)

// parseFrame parses a client's frame. A frame with an unknown field is refused, as a
// request would be. If the error is not nil, the frame still has an ID, and the
// RequestID if that could be read, for the error frame.
func parseFrame(text []byte) (Frame, error) {
	fields, repeated, err := parseFields(text)
	if err != nil {
		return Frame{ID: rand.Text()}, errFrame
	}
	f := Frame{RequestID: parseString(fields["requestId"]), Type: parseString(fields["type"]), Data: fields["data"]}
	_, hasID := fields["requestId"]
	valid := validRequestID(f.RequestID)
	if f.ID = f.RequestID; !valid {
		f.RequestID, f.ID = "", rand.Text()
	}
	for _, name := range []string{"type", "requestId", "data"} {
		delete(fields, name)
	}
	if repeated || len(fields) > 0 || hasID && !valid || f.Type == "" || len(f.Type) > maxType {
		return f, errFrame
	}
	return f, nil
}

// parseFields parses the fields of a JSON object, and reports whether one is repeated.
// A repeated field is nil, because a proxy that inspected the frame may have read
// either value.
func parseFields(text []byte) (fields map[string]json.RawMessage, repeated bool, err error) {
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, false, err
	}
	clear(fields)
	decoder := json.NewDecoder(bytes.NewReader(text))
	_, _ = decoder.Token() // the opening brace of valid JSON
	for decoder.More() {
		var value json.RawMessage
		token, _ := decoder.Token()
		name, _ := token.(string)
		if err := decoder.Decode(&value); err != nil {
			return nil, false, err
		}
		if _, again := fields[name]; again {
			value, repeated = nil, true
		}
		fields[name] = value
	}
	return fields, repeated, nil
}

// parseString parses a JSON string. It returns an empty string for any other value.
func parseString(value json.RawMessage) (text string) {
	if json.Unmarshal(value, &text) != nil {
		return ""
	}
	return text
}

// requireNoData returns an error if a frame that takes no data has any.
func (f Frame) requireNoData() error {
	var data map[string]json.RawMessage
	if f.Data == nil || json.Unmarshal(f.Data, &data) == nil && data != nil && len(data) == 0 {
		return nil
	}
	return errFrame
}

// validRequestID reports whether an id is valid as an X-Request-ID too.
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
	closeAbnormal    CloseCode = 1006 // never sent: the connection ended without a close frame
	closeProtocol    CloseCode = 1002
	closeNoneWasSent CloseCode = 1005 // never sent: the client's close frame had no code
)

var errClosed = errors.New("the socket is closed")
