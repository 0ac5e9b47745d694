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
//go:embed lua/*.lua lua/check/*.lua
var files embed.FS

// include is the prefix of a line by which a script or a fragment includes another
// fragment. "store/event" names event.lua of package store. A name without a package, such
// as "command", names a file in the directory of the including file.
const include = "--@include "

// creates is the line that marks a script which must not run while the store is full. A
// full store still runs every other script. Those scripts only read, or they end, free,
// withdraw or submit something.
const creates = "--@creates"

// eventFragment is the fragment that records events. A script that includes it returns
// the types of the recorded events as the second element of its reply.
const eventFragment = "store/event"

// dueFragment is the fragment that changes the due index. The sweeper reads the partition of a
// script that includes it.
const dueFragment = "store/due"

// readOnlyFragment is the path of the fragment with which the script of a check begins.
const readOnlyFragment = "lua/check/read_only.lua"

// Library holds the Lua fragments that packages export to the scripts of other packages.
// The keys are the names of the owning packages. Each file system has the fragment NAME
// at its root, as NAME.lua. Every script can include the fragments of package store
// without a Library.
type Library map[string]fs.FS

// loader collects the fragments that scripts include. It adds each fragment once, after the
// fragments that it includes itself.
type loader struct {
	fragments strings.Builder
	libraries Library
	included  map[string]bool
}

// origin is the package and the directory of a file that includes fragments. The owner is
// empty for a file of the script's own package.
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

// load returns the text of a file without the lines that include fragments, and adds those
// fragments.
func (l *loader) load(from origin, file string) string {
	var text strings.Builder
	for line := range strings.Lines(mustRead(from.files, path.Join(from.dir, file))) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), include); ok {
			l.include(from, name)
			continue
		}
		text.WriteString(line)
	}
	return text.String()
}

// include adds the named fragment, unless it was added before.
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
	l.fragments.WriteString(l.load(from, name+".lua"))
}

func mustRead(files fs.FS, file string) string {
	body, err := fs.ReadFile(files, file)
	if err != nil {
		panic(fmt.Sprintf("reading a script: %v", err))
	}
	return string(body)
}
