package main

import (
	"regexp"
	"slices"
	"strings"
)

// A comment is one block of comment lines.
type comment struct {
	line  int
	text  string   // text of the comment, without comment markers
	names []string // names that may be the subject of the comment; empty means that any subject is allowed
	doc   bool     // whether the comment documents a declaration
}

var (
	verbs    = regexp.MustCompile(`^(gives|tells|says|answers)\b`)
	bareVerb = regexp.MustCompile(`^(Gives|Tells|Says|Answers|Makes|Looks)\b`)
	isWhat   = regexp.MustCompile(`^(is|are) (what|how|whoever|who|where)\b`)
	pronouns = regexp.MustCompile(`(?i)\b(whoever|somebody|nobody)\b`)
	article  = regexp.MustCompile(`^(An?|The|Each|Every) `)
)

// fault returns why c does not follow the style, or "" if it does.
func fault(c comment) string {
	if pronouns.MatchString(c.text) {
		return `"` + strings.ToLower(pronouns.FindString(c.text)) + `" names no subject`
	}
	if !c.doc {
		return ""
	}
	if bareVerb.MatchString(c.text) {
		return "begins with a verb that the style replaces"
	}
	predicate := c.text
	if len(c.names) > 0 {
		var found bool
		if predicate, found = cutSubject(c.text, c.names); !found {
			return "does not begin with " + c.names[0]
		}
	}
	return faultOfPredicate(predicate)
}

func faultOfPredicate(text string) string {
	switch {
	case verbs.MatchString(text):
		return "the verb is " + verbs.FindString(text)
	case isWhat.MatchString(text):
		return `defines by "` + isWhat.FindString(text) + `"`
	}
	return ""
}

// cutSubject returns the text after the subject, and reports whether the subject is one of
// names. The subject may have an article, and may be in the singular or the plural.
func cutSubject(text string, names []string) (predicate string, found bool) {
	text = strings.ReplaceAll(text, "\n", " ")
	for _, text := range []string{text, article.ReplaceAllString(text, "")} {
		var subject string
		subject, predicate, _ = strings.Cut(text, " ")
		subject = strings.Trim(subject, "[],:;")
		found = slices.ContainsFunc(names, func(name string) bool {
			return subject == name || subject == name+"s" || subject == name+"'s"
		})
		if found {
			break
		}
	}
	return predicate, found
}
