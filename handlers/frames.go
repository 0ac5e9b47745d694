package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oapi-codegen/runtime"
	"go.yaml.in/yaml/v3"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/schema"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/realtime"
)

// frames maps a frame type to the asyncapi.yaml schema of the frame's data.
type frames map[string]*schema.Schema

// frameTypes are the types of the frames that have data.
var frameTypes = []string{
	"claim", "extend", "release", "result", "heartbeat", "subscribe", "unsubscribe", "refresh",
}

// FrameTypes returns the types of the frames of both sockets, except ping.
func FrameTypes() []string { return slices.Clone(frameTypes) }

// publishedFrames returns the schemas of asyncapi.yaml. They are loaded once in a process, because
// that takes a tenth of a second. All servers share them, and nothing changes them.
var publishedFrames = sync.OnceValues(func() (frames, error) { return newFrames(fieldgate.SocketSpec, fieldgate.Spec) })

// newFrames loads the schemas of all frame types.
func newFrames(sockets, requests []byte) (frames, error) {
	document, err := loadFrames(sockets, requests)
	if err != nil {
		return nil, err
	}
	fs := frames{}
	for _, kind := range frameTypes {
		data := document.Components.Schemas[frameSchema+kind].Value.Properties["data"]
		if data == nil {
			return nil, fmt.Errorf("asyncapi.yaml has no schema for the data of the frame %s", kind)
		}
		fs[kind] = schema.New(data.Value)
	}
	return fs, nil
}

// frameSchema is the prefix of the schema names in framesDocument. The frame type follows it.
const frameSchema = "frame."

// loadFrames loads the schemas of the frames. The schemas refer to parts of openapi.yaml, and
// use only keywords that AsyncAPI and OpenAPI share. They can therefore be loaded as an OpenAPI
// document.
func loadFrames(sockets, requests []byte) (*openapi3.T, error) {
	text, err := framesDocument(sockets)
	if err != nil {
		return nil, err
	}
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = true
	loader.ReadFromURIFunc = func(*openapi3.Loader, *url.URL) ([]byte, error) { return requests, nil }
	document, err := loader.LoadFromDataWithPath(text, &url.URL{Path: "asyncapi.yaml"})
	if err != nil {
		return nil, fmt.Errorf("loading asyncapi.yaml: %w", err)
	}
	return document, nil
}

// framesDocument returns an OpenAPI document that contains the schemas of the frames.
func framesDocument(sockets []byte) ([]byte, error) {
	var contract struct {
		Components struct {
			Messages map[string]struct{ Payload any }
			Schemas  map[string]any
		}
	}
	if err := yaml.Unmarshal(sockets, &contract); err != nil {
		return nil, fmt.Errorf("parsing asyncapi.yaml: %w", err)
	}
	schemas := contract.Components.Schemas
	for _, kind := range frameTypes {
		message, found := contract.Components.Messages[kind]
		if !found {
			return nil, fmt.Errorf("asyncapi.yaml has no frame %s", kind)
		}
		schemas[frameSchema+kind] = message.Payload
	}
	return json.Marshal(map[string]any{
		"openapi": "3.0.3", "info": map[string]string{"title": "frames", "version": "1"}, "paths": map[string]any{},
		"components": map[string]any{"schemas": schemas},
	})
}

// decode decodes the data of a frame of the type kind, validates it, and binds it to a T. The
// bound value includes the defaults, just as the value of an HTTP body does. Absent data is
// treated as an empty object. take counts the memory of the values.
func decode[T any](fs frames, kind string, data json.RawMessage, take func(bytes int64) error) (bound T, err error) {
	if len(data) == 0 {
		data = json.RawMessage("{}")
	}
	decoded, err := fs[kind].Decode(data, take)
	if err != nil {
		return bound, err
	}
	if err := fs[kind].Validate(decoded); err != nil {
		return bound, err
	}
	if err := runtime.BindJSONValue(decoded, &bound); err != nil {
		return bound, schema.Invalid(fieldgate.FieldError{Keyword: "type", Reason: "has a value that cannot be read"})
	}
	return bound, nil
}

// serveFrame decodes the data of a frame and calls serve with it.
func serveFrame[T any](fs frames, f realtime.Frame, serve func(T) (any, error)) (any, error) {
	bound, err := decode[T](fs, f.Type, f.Data, f.Hold)
	if err != nil {
		return nil, err
	}
	return serve(bound)
}

// These types are the data of frames. The data of a device's frame has the fields that an HTTP
// request has in its body, path and headers.
type (
	claimFrame struct {
		generated.ClaimRequest
		IdempotencyKey *string `json:"idempotencyKey"`
	}
	extendFrame struct {
		generated.ExtendRequest
		CommandID string `json:"commandId"`
	}
	releaseFrame struct {
		generated.ReleaseRequest
		CommandID string `json:"commandId"`
	}
	resultFrame struct {
		generated.ResultRequest
		CommandID string `json:"commandId"`
	}
	heartbeatFrame struct{ generated.HeartbeatRequest }

	subscribeFrame struct {
		Room  string `json:"room"`
		Since string `json:"since"`
	}
	unsubscribeFrame struct {
		Room string `json:"room"`
	}
	refreshFrame struct {
		Token string `json:"token"`
	}
)

func (f claimFrame) request() generated.ClaimCommandsRequestObject {
	return generated.ClaimCommandsRequestObject{
		Params: generated.ClaimCommandsParams{IdempotencyKey: f.IdempotencyKey}, Body: &f.ClaimRequest,
	}
}

func (f extendFrame) request() generated.ExtendCommandRequestObject {
	return generated.ExtendCommandRequestObject{CommandID: f.CommandID, Body: &f.ExtendRequest}
}

func (f releaseFrame) request() generated.ReleaseCommandRequestObject {
	return generated.ReleaseCommandRequestObject{CommandID: f.CommandID, Body: &f.ReleaseRequest}
}

func (f resultFrame) request() generated.SubmitResultRequestObject {
	return generated.SubmitResultRequestObject{CommandID: f.CommandID, Body: &f.ResultRequest}
}

func (f heartbeatFrame) request() generated.SendHeartbeatRequestObject {
	return generated.SendHeartbeatRequestObject{Body: &f.HeartbeatRequest}
}

// deviceFrame serves a frame of a device socket like the corresponding HTTP operation.
func (s *Server) deviceFrame(ctx context.Context, f realtime.Frame) (any, error) {
	switch f.Type {
	case "claim":
		return serveFrame(s.frames, f, func(r claimFrame) (any, error) { return s.ClaimCommands(ctx, r.request()) })
	case "extend":
		return serveFrame(s.frames, f, func(r extendFrame) (any, error) { return s.ExtendCommand(ctx, r.request()) })
	case "release":
		return serveFrame(s.frames, f, func(r releaseFrame) (any, error) { return s.ReleaseCommand(ctx, r.request()) })
	case "result":
		return serveFrame(s.frames, f, func(r resultFrame) (any, error) { return s.SubmitResult(ctx, r.request()) })
	case "heartbeat":
		return serveFrame(s.frames, f, func(r heartbeatFrame) (any, error) { return s.SendHeartbeat(ctx, r.request()) })
	}
	return nil, errFrameType
}

var errFrameType = schema.Invalid(fieldgate.FieldError{
	Pointer: "/type", Keyword: "enum", Reason: "is not a frame of this socket",
})
