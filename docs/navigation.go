package docs

import (
	"cmp"
	"slices"
	"strings"
)

// group is a part of the navigation: a heading with pages below it.
type group struct {
	Title string
	Pages []Document
}

// grouped returns the navigation. A guide that no group lists is in the last group. The decisions of
// docs/adr are reached from their list.
func grouped(documents []Document) (all []group) {
	byName := map[string]Document{}
	for _, document := range documents {
		byName[document.Name] = document
	}
	for _, listed := range groups {
		g := group{Title: listed.title}
		for _, name := range listed.names {
			if document, ok := byName[name]; ok {
				g.Pages = append(g.Pages, document)
				delete(byName, name)
			}
		}
		all = append(all, g)
	}
	more := group{Title: "More guides"}
	for name, document := range byName {
		if strings.HasPrefix(name, "guides/") {
			more.Pages = append(more.Pages, document)
		}
	}
	if len(more.Pages) == 0 {
		return all
	}
	slices.SortFunc(more.Pages, func(a, b Document) int { return cmp.Compare(a.Name, b.Name) })
	return append(all, more)
}

// around returns the pages before and after a page in the navigation, or nil.
func around(groups []group, name string) (previous, next *Document) {
	var pages []Document
	for _, g := range groups {
		pages = append(pages, g.Pages...)
	}
	at := slices.IndexFunc(pages, func(d Document) bool { return d.Name == name })
	if at > 0 {
		previous = &pages[at-1]
	}
	if at >= 0 && at+1 < len(pages) {
		next = &pages[at+1]
	}
	return previous, next
}
