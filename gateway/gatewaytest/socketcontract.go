package gatewaytest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"

	"github.com/fieldgate/fieldgate"
)

// socketContract holds the schemas of the frames that the gateway sends, from asyncapi.yaml.
type socketContract struct {
	schemas openapi3.Schemas             // payload schemas by message id
	sent    map[string]map[string]string // message id by path and frame type
}

var published = sync.OnceValues(readSocketContract)

// checkFrame validates a received frame against the contract. If the frame is a reply, kind is
// the type of the request.
func checkFrame(path, frameType, kind string, text []byte) error {
	contract, err := published()
	if err != nil {
		return err
	}
	id, found := contract.sent[path][frameType]
	if frameType == "reply" {
		id, found = kind+"Reply", true
	}
	schema := contract.schemas[id]
	if !found || schema == nil {
		return fmt.Errorf("asyncapi.yaml defines no frame %q for this socket", frameType)
	}
	var payload any
	if err := json.Unmarshal(text, &payload); err != nil {
		return err
	}
	return schema.Value.VisitJSON(payload, openapi3.VisitAsResponse())
}

type reference struct {
	Ref string `yaml:"$ref"`
}

func (r reference) id() string { return r.Ref[strings.LastIndex(r.Ref, "/")+1:] }

func readSocketContract() (*socketContract, error) {
	var document struct {
		Channels   map[string]struct{ Address string }
		Operations map[string]struct {
			Action   string
			Channel  reference
			Messages []reference
		}
		Components struct {
			Messages map[string]struct {
				Name    string
				Payload any
			}
			Schemas map[string]any
		}
	}
	if err := yaml.Unmarshal(fieldgate.SocketSpec, &document); err != nil {
		return nil, err
	}
	c := &socketContract{sent: map[string]map[string]string{}}
	for _, op := range document.Operations {
		path := document.Channels[op.Channel.id()].Address
		if c.sent[path] == nil {
			c.sent[path] = map[string]string{}
		}
		for _, message := range op.Messages {
			if op.Action == "send" {
				c.sent[path][document.Components.Messages[message.id()].Name] = message.id()
			}
		}
	}
	payloads := map[string]any{}
	for id, message := range document.Components.Messages {
		payloads[id] = message.Payload
	}
	var err error
	c.schemas, err = payloadSchemas(payloads, document.Components.Schemas)
	return c, err
}

// payloadSchemas loads the schemas as OpenAPI and resolves references to openapi.yaml. The
// prefix "frame." separates the names of messages from other schema names.
func payloadSchemas(payloads, schemas map[string]any) (openapi3.Schemas, error) {
	for id, payload := range payloads {
		schemas["frame."+id] = payload
	}
	text, err := json.Marshal(map[string]any{
		"openapi": "3.0.3", "info": map[string]any{"title": "frames", "version": "1"}, "paths": map[string]any{},
		"components": map[string]any{"schemas": schemas},
	})
	if err != nil {
		return nil, err
	}
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = true
	loader.ReadFromURIFunc = func(*openapi3.Loader, *url.URL) ([]byte, error) { return fieldgate.Spec, nil }
	document, err := loader.LoadFromDataWithPath(text, &url.URL{Path: "asyncapi.yaml"})
	if err != nil {
		return nil, err
	}
	found := openapi3.Schemas{}
	for id := range payloads {
		found[id] = document.Components.Schemas["frame."+id]
	}
	return found, nil
}
