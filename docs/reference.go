package docs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fieldgate/fieldgate"
)

// referenceTitle is the title of the API reference in the search index.
const referenceTitle = "Reference"

// reference is the part of the contract that the search index contains.
type reference struct {
	Info  struct{ Description string }
	Paths map[string]struct{ Get, Put, Post, Patch, Delete *operation }
}

// operation is the description of an operation.
type operation struct {
	OperationID          string `yaml:"operationId"`
	Summary, Description string
	Tags                 []string
}

// addReference adds the operations of the contract and the sections of its introduction to the search
// index.
func (s *site) addReference() error {
	var contract reference
	if err := yaml.Unmarshal(fieldgate.Spec, &contract); err != nil {
		return fmt.Errorf("reading the contract: %w", err)
	}
	for _, section := range sections("", []byte(contract.Info.Description)) {
		_, anchor, _ := strings.Cut(section.Path, "#")
		s.index = append(s.index, entry{Guide: referenceTitle, Title: section.Title, Path: "/docs#description/" + anchor, Text: section.Text})
	}
	for path, item := range contract.Paths {
		for method, op := range map[string]*operation{"GET": item.Get, "PUT": item.Put, "POST": item.Post, "PATCH": item.Patch, "DELETE": item.Delete} {
			if op != nil {
				s.index = append(s.index, op.entry(method, path))
			}
		}
	}
	slices.SortStableFunc(s.index, func(a, b entry) int { return strings.Compare(a.Path, b.Path) })
	return nil
}

func (o *operation) entry(method, path string) entry {
	return entry{
		Guide: referenceTitle, Title: o.Summary, Path: "/docs#tag/" + slug(o.Tags[0]) + "/" + method + path,
		Text: strings.Join([]string{method, path, o.OperationID, strings.Join(strings.Fields(o.Description), " ")}, " "),
	}
}

// notInSlug matches what the renderer of the reference replaces in the anchor of a tag.
var notInSlug = regexp.MustCompile(`[^a-z0-9]+`)

func slug(tag string) string { return notInSlug.ReplaceAllString(strings.ToLower(tag), "-") }
