// Command bundle writes one AsyncAPI document from asyncapi.yaml and the schemas of openapi.yaml to
// which it refers, so that a tool needs only the one file. It names the payload of each message, because
// tools name what has no name by a number.
//
// Usage: bundle ASYNCAPI OPENAPI OUTPUT
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// header is the first line of the document.
const header = "# Generated from asyncapi.yaml and openapi.yaml by go generate. Do not edit.\n"

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: bundle ASYNCAPI OPENAPI OUTPUT")
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

func run(asyncapi, openapi, output string) error {
	sockets, err := os.ReadFile(asyncapi)
	if err != nil {
		return err
	}
	http, err := os.ReadFile(openapi)
	if err != nil {
		return err
	}
	bundled, err := bundle(sockets, http)
	if err != nil {
		return fmt.Errorf("bundling %s: %w", asyncapi, err)
	}
	return os.WriteFile(output, bundled, 0o644)
}

// bundle returns the document as YAML, with the order and the style of asyncapi.yaml.
func bundle(asyncapi, openapi []byte) ([]byte, error) {
	var sockets, http yaml.Node
	if err := yaml.Unmarshal(asyncapi, &sockets); err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(openapi, &http); err != nil {
		return nil, err
	}
	components := member(sockets.Content[0], "components")
	b := &bundler{
		from: member(member(http.Content[0], "components"), "schemas"),
		into: member(components, "schemas"),
	}
	namePayloads(member(components, "messages"), b.into)
	if err := b.take(sockets.Content[0]); err != nil {
		return nil, err
	}
	listExamples(b.into)
	return write(&sockets)
}

func write(document *yaml.Node) ([]byte, error) {
	out := bytes.NewBufferString(header)
	encoder := yaml.NewEncoder(out)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// A bundler copies the schemas of openapi.yaml to which a document refers into the document.
type bundler struct {
	from, into *yaml.Node // the schemas of openapi.yaml and of the document
	taken      []string   // the names of the schemas that were copied
}

const (
	sharedPrefix = "./openapi.yaml#/components/schemas/"
	ownPrefix    = "#/components/schemas/"
)

// take copies the schemas to which the node refers, and rewrites its references.
func (b *bundler) take(node *yaml.Node) error {
	if ref := member(node, "$ref"); ref != nil {
		if path, ok := strings.CutPrefix(ref.Value, sharedPrefix); ok {
			return b.resolve(node, ref, path)
		}
	}
	for _, child := range node.Content {
		if err := b.take(child); err != nil {
			return err
		}
	}
	return nil
}

// resolve copies the schema at the path below the schemas of openapi.yaml. A part of a schema, such as
// one property, replaces the node that refers to it.
func (b *bundler) resolve(node, ref *yaml.Node, path string) error {
	name, rest, isPart := strings.Cut(path, "/")
	if !isPart {
		ref.Value = ownPrefix + name
		return b.copySchema(name)
	}
	part := member(b.from, name)
	for _, step := range strings.Split(rest, "/") {
		part = member(part, step)
	}
	if part == nil {
		return fmt.Errorf("openapi.yaml has no schema %s", path)
	}
	*node = *shared(part)
	return b.take(node)
}

// copySchema copies a schema of openapi.yaml, and those to which it refers, unless it was copied before.
func (b *bundler) copySchema(name string) error {
	if slices.Contains(b.taken, name) {
		return nil
	}
	schema := member(b.from, name)
	if schema == nil {
		return fmt.Errorf("openapi.yaml has no schema %s", name)
	}
	if member(b.into, name) != nil {
		return fmt.Errorf("both documents have a schema %s, and they may differ: rename one", name)
	}
	b.taken = append(b.taken, name)
	copied := shared(schema)
	set(b.into, name, copied)
	return b.take(copied)
}

// shared returns a copy of a schema of openapi.yaml. A reference to another schema names the file in the
// copy, so that take copies that schema too.
func shared(node *yaml.Node) *yaml.Node {
	clone := *node
	clone.HeadComment, clone.LineComment, clone.FootComment = "", "", ""
	clone.Value = strings.Replace(clone.Value, ownPrefix, sharedPrefix, 1)
	clone.Content = nil
	for _, child := range node.Content {
		clone.Content = append(clone.Content, shared(child))
	}
	return &clone
}

// listExamples replaces each `example` of OpenAPI 3.0 by the `examples` of AsyncAPI.
func listExamples(schema *yaml.Node) {
	for i, child := range schema.Content {
		if schema.Kind == yaml.MappingNode && i%2 == 0 && child.Value == "example" {
			child.Value, schema.Content[i+1] = "examples", list(schema.Content[i+1])
		}
		listExamples(schema.Content[i])
	}
}

// list returns a list with one item.
func list(item *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Style: item.Style & yaml.FlowStyle, Content: []*yaml.Node{item}}
}

// namePayloads moves the payload of each message to a schema of its own, such as ClaimFrame.
func namePayloads(messages, schemas *yaml.Node) {
	for i := 0; i < len(messages.Content); i += 2 {
		name := title(messages.Content[i].Value) + "Frame"
		payload := member(messages.Content[i+1], "payload")
		schema := *payload
		fixType(member(member(&schema, "properties"), "type"))
		set(schemas, name, &schema)
		*payload = yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		set(payload, "$ref", &yaml.Node{Kind: yaml.ScalarNode, Value: ownPrefix + name, Style: yaml.SingleQuotedStyle})
	}
}

// fixType replaces the enumeration of the one type of a frame by a constant, for which tools need no model.
func fixType(schema *yaml.Node) {
	for i := 0; i < len(schema.Content); i += 2 {
		if schema.Content[i].Value == "enum" {
			schema.Content[i].Value, schema.Content[i+1] = "const", schema.Content[i+1].Content[0]
		}
	}
}

func title(name string) string {
	runes := []rune(name)
	runes[0] = unicode.ToUpper(runes[0])
	return string(runes)
}

// member returns the value of a member of an object, or nil.
func member(node *yaml.Node, name string) *yaml.Node {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}

// set adds a member to an object.
func set(object *yaml.Node, name string, value *yaml.Node) {
	object.Content = append(object.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, value)
}
