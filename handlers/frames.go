package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/schema"
	"github.com/fieldgate/fieldgate/generated"
)

// frames are the schemas of asyncapi.yaml that the data of frames is held against,
// by the type of the frame.
type frames map[string]*schema.Schema

// frameTypes are those of the frames whose data is looked at.
var frameTypes = []string{
	"claim", "extend", "release", "result", "heartbeat", "subscribe", "unsubscribe", "refresh",
}

// newFrames reads the schemas. They take parts of openapi.yaml by reference, and use
// nothing that is not the same in both, so they are read as OpenAPI.
func newFrames(sockets, requests []byte) (frames, error) {
	text, err := framesDocument(sockets)
	if err != nil {
		return nil, err
	}
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = true
	loader.ReadFromURIFunc = func(*openapi3.Loader, *url.URL) ([]byte, error) { return requests, nil }
	document, err := loader.LoadFromDataWithPath(text, &url.URL{Path: "asyncapi.yaml"})
	if err != nil {
		return nil, fmt.Errorf("reading the contract of sockets: %w", err)
	}
	fs := frames{}
	for _, kind := range frameTypes {
		data := document.Components.Schemas[frameSchema+kind].Value.Properties["data"]
		if data == nil {
			return nil, fmt.Errorf("the contract of sockets says nothing of the data of %s", kind)
		}
		fs[kind] = schema.New(data.Value)
	}
	return fs, nil
}

// frameSchema comes before the type of a frame in the name of its schema.
const frameSchema = "frame."

// framesDocument makes an OpenAPI document of the schemas of the frames.
func framesDocument(sockets []byte) ([]byte, error) {
	var contract struct {
		Components struct {
			Messages map[string]struct{ Payload any }
			Schemas  map[string]any
		}
	}
	if err := yaml.Unmarshal(sockets, &contract); err != nil {
		return nil, fmt.Errorf("reading the contract of sockets: %w", err)
	}
	schemas := contract.Components.Schemas
	for _, kind := range frameTypes {
		message, found := contract.Components.Messages[kind]
		if !found {
			return nil, fmt.Errorf("the contract of sockets has no frame %s", kind)
		}
		schemas[frameSchema+kind] = message.Payload
	}
	return json.Marshal(map[string]any{
		"openapi": "3.0.3", "info": map[string]string{"title": "frames", "version": "1"}, "paths": map[string]any{},
		"components": map[string]any{"schemas": schemas},
	})
}

// decode holds the data of a frame against its schema and reads it. Data that was
// left out is an empty object.
func decode[T any](fs frames, kind string, data json.RawMessage) (request T, err error) {
	if len(data) == 0 {
		data = json.RawMessage("{}")
	}
	value, wrong := schema.Decode(data)
	if wrong != nil {
		return request, schema.Invalid(*wrong)
	}
	if err := fs[kind].Validate(value); err != nil {
		return request, err
	}
	whole, err := json.Marshal(value) // with the defaults
	if err != nil {
		return request, fmt.Errorf("reading a frame: %w", err)
	}
	if err := json.Unmarshal(whole, &request); err != nil {
		return request, schema.Invalid(fieldgate.FieldError{Keyword: "type", Reason: "has a value that cannot be read"})
	}
	return request, nil
}

// deviceFrame serves what a device says over its socket as the operation of the
// same name does over HTTP.
func (s *Server) deviceFrame(ctx context.Context, kind string, data json.RawMessage) (any, error) {
	switch kind {
	case "claim":
		return s.claimFrame(ctx, data)
	case "extend":
		return s.extendFrame(ctx, data)
	case "release":
		return s.releaseFrame(ctx, data)
	case "result":
		return s.resultFrame(ctx, data)
	case "heartbeat":
		return s.heartbeatFrame(ctx, data)
	}
	return nil, errFrameType
}

// What a request has in its header or its path, a frame has in its data.

func (s *Server) claimFrame(ctx context.Context, data json.RawMessage) (any, error) {
	asked, err := decode[struct {
		generated.ClaimRequest
		IdempotencyKey *string `json:"idempotencyKey"`
	}](s.frames, "claim", data)
	if err != nil {
		return nil, err
	}
	return s.ClaimCommands(ctx, generated.ClaimCommandsRequestObject{
		Params: generated.ClaimCommandsParams{IdempotencyKey: asked.IdempotencyKey}, Body: &asked.ClaimRequest,
	})
}

func (s *Server) extendFrame(ctx context.Context, data json.RawMessage) (any, error) {
	asked, err := decode[struct {
		generated.ExtendRequest
		CommandID string `json:"commandId"`
	}](s.frames, "extend", data)
	if err != nil {
		return nil, err
	}
	return s.ExtendCommand(ctx, generated.ExtendCommandRequestObject{CommandID: asked.CommandID, Body: &asked.ExtendRequest})
}

func (s *Server) releaseFrame(ctx context.Context, data json.RawMessage) (any, error) {
	asked, err := decode[struct {
		generated.ReleaseRequest
		CommandID string `json:"commandId"`
	}](s.frames, "release", data)
	if err != nil {
		return nil, err
	}
	return s.ReleaseCommand(ctx, generated.ReleaseCommandRequestObject{CommandID: asked.CommandID, Body: &asked.ReleaseRequest})
}

func (s *Server) resultFrame(ctx context.Context, data json.RawMessage) (any, error) {
	reported, err := decode[struct {
		generated.ResultRequest
		CommandID string `json:"commandId"`
	}](s.frames, "result", data)
	if err != nil {
		return nil, err
	}
	return s.SubmitResult(ctx, generated.SubmitResultRequestObject{CommandID: reported.CommandID, Body: &reported.ResultRequest})
}

func (s *Server) heartbeatFrame(ctx context.Context, data json.RawMessage) (any, error) {
	sent, err := decode[generated.HeartbeatRequest](s.frames, "heartbeat", data)
	if err != nil {
		return nil, err
	}
	return s.SendHeartbeat(ctx, generated.SendHeartbeatRequestObject{Body: &sent})
}

var errFrameType = schema.Invalid(fieldgate.FieldError{
	Pointer: "/type", Keyword: "enum", Reason: "is not a frame of this socket",
})
