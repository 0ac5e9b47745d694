package realtime

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"

	"github.com/fieldgate/fieldgate"
)

// Frame is what a client sends: JSON text.
type Frame struct {
	Type      string
	RequestID string // to answer with; empty: nobody waits for an answer
	Data      json.RawMessage

	// ID is what the frame is called in logs, problems and the events that it
	// causes: the RequestID, or one of ours.
	ID string
}

// Types of frames that both sockets have.
const (
	typeWelcome   = "welcome"
	typeReply     = "reply"
	typeError     = "error"
	typePing      = "ping"
	typeGoingAway = "going_away"
)

// errFrame is what a frame that cannot be read is answered.
var errFrame = &fieldgate.Error{
	Code:   fieldgate.CodeValidationFailed,
	Detail: "A frame is a JSON object with a type, and may have a requestId and data.",
	Fields: []fieldgate.FieldError{{Pointer: "", Keyword: "frame", Reason: "must be {\"type\": ..., \"requestId\": ..., \"data\": {...}}"}},
}

// maxType bounds the type of a frame, and maxRequestID its id as in X-Request-ID.
const (
	maxType      = 64
	maxRequestID = 128
)

// parseFrame reads a client's frame. Unknown fields are refused, as in requests.
// Of a frame that is refused, what could be read of it is there for the answer.
func parseFrame(text []byte) (Frame, error) {
	fields, twice, err := fieldsOf(text)
	if err != nil {
		return Frame{ID: rand.Text()}, errFrame
	}
	f := Frame{RequestID: textOf(fields["requestId"]), Type: textOf(fields["type"]), Data: fields["data"]}
	_, asks := fields["requestId"]
	known := validRequestID(f.RequestID)
	if f.ID = f.RequestID; !known {
		f.RequestID, f.ID = "", rand.Text()
	}
	for _, name := range []string{"type", "requestId", "data"} {
		delete(fields, name)
	}
	if twice || len(fields) > 0 || asks && !known || f.Type == "" || len(f.Type) > maxType {
		return f, errFrame
	}
	return f, nil
}

// fieldsOf reads the fields of a JSON object, and whether one is there twice: then
// neither counts, since whoever looked at it before may have read the other one.
func fieldsOf(text []byte) (fields map[string]json.RawMessage, twice bool, err error) {
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, false, err
	}
	clear(fields)
	decoder := json.NewDecoder(bytes.NewReader(text))
	_, _ = decoder.Token() // the brace; that all is well-formed is known
	for decoder.More() {
		var value json.RawMessage
		token, _ := decoder.Token()
		name, _ := token.(string)
		if err := decoder.Decode(&value); err != nil {
			return nil, false, err
		}
		if _, again := fields[name]; again {
			value, twice = nil, true
		}
		fields[name] = value
	}
	return fields, twice, nil
}

// requireNoData refuses data in a frame that has none.
func (f Frame) requireNoData() error {
	var data map[string]json.RawMessage
	if f.Data == nil || json.Unmarshal(f.Data, &data) == nil && data != nil && len(data) == 0 {
		return nil
	}
	return errFrame
}

// textOf reads a JSON string; anything else is none.
func textOf(raw json.RawMessage) (text string) {
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// validRequestID tells whether an id is one that the header would take too.
func validRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for _, c := range []byte(id) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// encodeFrame writes a frame.
func encodeFrame(kind, requestID string, data any) ([]byte, error) {
	return json.Marshal(struct {
		Type      string `json:"type"`
		RequestID string `json:"requestId,omitempty"`
		Data      any    `json:"data,omitempty"`
	}{kind, requestID, data})
}

// CloseCode tells the other side why a socket was closed, and so whether to come
// back. The codes are part of the API.
type CloseCode int

// Close codes, as asyncapi.yaml explains them.
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
	closeAbnormal    CloseCode = 1006 // never sent: the connection just ended
	closeProtocol    CloseCode = 1002
	closeNoneWasSent CloseCode = 1005
)

var errClosed = errors.New("the socket is closed")
