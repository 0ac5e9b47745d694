package store

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// files holds the scripts and the fragments of this package.
//
//go:embed lua/*.lua
var files embed.FS

// include is the prefix of a line by which a script or a fragment includes another
// fragment. "store/event" names event.lua of package store. A name without an owner, such
// as "command", names a file in the directory of the including file.
const include = "--@include "

// creates is the line by which a script says that it is refused while the store is full.
// Every other script ends, frees, withdraws or submits something, or only reads, so that a
// full store serves it.
const creates = "--@creates"

// eventFragment records events. A script that includes it returns the types of the
// events that it recorded as the second element of its reply.
const eventFragment = "store/event"

// Library holds the Lua fragments that packages export to the scripts of other packages.
// The map's keys are the names of the owning packages. A fragment NAME is the file
// NAME.lua at the root of its file system. Every script can include the fragments of
// package store without a Library.
type Library map[string]fs.FS

// loader composes the text of one script. It adds each fragment once, before the first
// line that includes it. The fragments that a fragment includes come before it.
type loader struct {
	text      strings.Builder
	libraries Library
	included  map[string]bool
}

// origin locates an including file by its owner and its directory. The owner is empty for
// the package of the script itself.
type origin struct {
	owner string
	files fs.FS
	dir   string
}

func newLoader(libraries []Library) *loader {
	fragments, err := fs.Sub(files, "lua")
	if err != nil {
		panic(fmt.Sprintf("reading the fragments: %v", err))
	}
	l := &loader{libraries: Library{"store": fragments}, included: map[string]bool{}}
	for _, library := range libraries {
		for owner, fragments := range library {
			l.libraries[owner] = fragments
		}
	}
	return l
}

// add appends a file together with the fragments that it includes.
func (l *loader) add(from origin, file string) {
	for line := range strings.Lines(mustRead(from.files, path.Join(from.dir, file))) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), include); ok {
			l.include(from, name)
			continue
		}
		l.text.WriteString(line)
	}
}

// include appends the fragment name, unless the text has it already.
func (l *loader) include(from origin, name string) {
	if owner, fragment, ok := strings.Cut(name, "/"); ok {
		from, name = origin{owner: owner, files: l.libraries[owner]}, fragment
	}
	key := from.owner + "/" + name
	if l.included[key] {
		return
	}
	l.included[key] = true
	if from.files == nil {
		panic(fmt.Sprintf("a script includes %s, and no library of %s was given", key, from.owner))
	}
	l.add(from, name+".lua")
}

func mustRead(files fs.FS, file string) string {
	body, err := fs.ReadFile(files, file)
	if err != nil {
		panic(fmt.Sprintf("reading a script: %v", err))
	}
	return string(body)
}
