package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"sync"
)

// Scripts is the set of the scripts of one package. A server with functions (Redis 7 and later,
// Valkey) loads the set as one library, and its scripts as functions. It then compiles them and
// creates their closures and constants once, and not at each call.
//
// The name of the library ends in a digest of its text, so that instances of two versions use
// one server. A set is complete when the variables of its package are initialized.
type Scripts struct {
	name      string
	files     fs.FS
	libraries []Library
	loader    *loader // of the fragments of all scripts
	scripts   []*Script
	library   func(packed bool) library
}

// library is the text of a library and the suffix of its name and of the names of its functions.
type library struct{ text, name, version string }

// libraryPrefix is the beginning of the names of all libraries and functions.
const libraryPrefix = "fieldgate_"

// versionLength is the length of the digest in the name of a library, in characters.
const versionLength = 12

// NewScripts returns a set without scripts. The name is that of the package, in lower case. The
// file system belongs to the package. The libraries hold the fragments of other packages.
func NewScripts(name string, files fs.FS, libraries ...Library) *Scripts {
	set := &Scripts{name: name, files: files, libraries: libraries, loader: newLoader(libraries)}
	set.library = onceEach(set.compose)
	return set
}

// Script loads the script in file, with the fragments that it includes, and adds it to the set.
// It panics if a file is missing. All files are embedded in the program, so a missing file is a
// fault of the build.
func (set *Scripts) Script(file string) *Script {
	script := newScript(set.files, file, set.libraries)
	set.loader.load(origin{files: set.files, dir: path.Dir(file)}, path.Base(file))
	set.scripts = append(set.scripts, script)
	script.set = set
	script.function = onceEach(func(packed bool) string { return script.functionName(set.library(packed).version) })
	return script
}

// onceEach returns a function that calls compute once for each of its two arguments.
func onceEach[T any](compute func(bool) T) func(bool) T {
	no, yes := sync.OnceValue(func() T { return compute(false) }), sync.OnceValue(func() T { return compute(true) })
	return func(is bool) T {
		if is {
			return yes()
		}
		return no()
	}
}

// packed returns the text of scripts for a store whose events are packed. The fragment that records
// events then has another constant.
func packed(text string) string {
	return strings.Replace(text, "\nlocal PACKED = false\n", "\nlocal PACKED = true\n", 1)
}

// stateLine matches a line of a fragment that declares a table which belongs to one run.
var stateLine = regexp.MustCompile(`(?m)^local (\w+) = \{\} --@state$`)

// compose returns the library with all scripts of the set, for a store whose events are packed or are
// not. The fragments come first and run once, when the server loads the library. KEYS, ARGV and the
// tables that belong to a run are set at the beginning of each call, so that a call sees nothing of an
// earlier one, even if that failed.
func (set *Scripts) compose(pack bool) library {
	fragments := set.loader.fragments.String()
	if pack {
		fragments = packed(fragments)
	}
	names, values := "KEYS, ARGV", "keys, args"
	for _, state := range stateLine.FindAllStringSubmatch(fragments, -1) {
		names, values = names+", "+state[1], values+", {}"
	}
	var text strings.Builder
	text.WriteString("local KEYS, ARGV\n")
	text.WriteString(stateLine.ReplaceAllString(fragments, "local $1"))
	text.WriteString("local function add(name, flags, run)\n" +
		"  redis.register_function({ function_name = name, callback = run, flags = flags })\nend\n")
	version := set.version(text.String())
	for _, script := range set.scripts {
		fmt.Fprintf(&text, "add('%s', {%s}, function(keys, args)\n%s = %s\n%send)\n",
			script.functionName(version), script.flags(), names, values, script.own)
	}
	name := libraryPrefix + set.name + "_" + version
	return library{name: name, version: version, text: "#!lua name=" + name + "\n" + text.String()}
}

// version returns a digest of everything that the set runs.
func (set *Scripts) version(fragments string) string {
	digest := sha256.New()
	digest.Write([]byte(fragments))
	for _, script := range set.scripts {
		fmt.Fprintf(digest, "%s %s\n%s", script.name, script.flags(), script.own)
	}
	return hex.EncodeToString(digest.Sum(nil))[:versionLength]
}

// functionName returns the name of the function that runs the script.
func (s *Script) functionName(version string) string {
	return libraryPrefix + s.set.name + "_" + s.name + "_" + version
}

// flags returns the flags of the script's function, in Lua.
func (s *Script) flags() string {
	if s.creates {
		return ""
	}
	return "'allow-oom'"
}
