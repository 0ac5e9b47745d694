package program

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// prefix begins the names of all environment variables that a program of this module reads.
const prefix = "FIELDGATE_"

// testPrefix begins the names of the variables that only tests read.
const testPrefix = "FIELDGATE_TEST_"

// serviceVariable matches the variables that Kubernetes sets for a Service whose name begins with
// "fieldgate".
var serviceVariable = regexp.MustCompile(
	`^[A-Z0-9_]+(_SERVICE_HOST=.*|_SERVICE_PORT(_[A-Z0-9_]+)?=[0-9]+|_PORT=(tcp|udp|sctp)://.*|_PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?=.*)$`)

// SettingNames returns the names of the environment variables that a command and its subcommands
// read.
func SettingNames(command *kong.Node) (names []string) {
	for _, flag := range command.Flags {
		names = append(names, flag.Envs...)
	}
	for _, child := range command.Children {
		names = append(names, SettingNames(child)...)
	}
	return names
}

// CheckEnvironment returns an error if the environment has a variable that begins with FIELDGATE_
// and is not in names. Otherwise a misspelt setting would have no effect, and a limit or an
// address would be another one than the operator has written.
func CheckEnvironment(environ, names []string) error {
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, prefix) || slices.Contains(names, name) ||
			strings.HasPrefix(name, testPrefix) || serviceVariable.MatchString(variable) {
			continue
		}
		if meant := similar(name, names); meant != "" {
			return errMisspelt(name, meant)
		}
		return fmt.Errorf("%s is not a setting: remove it, or correct its name", name)
	}
	return nil
}

// CheckSpelling is like CheckEnvironment, but returns an error only for a variable whose name begins
// with FIELDGATE_ and is similar to one in names. The others may be settings of another program.
func CheckSpelling(environ, names []string) error {
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, prefix) || slices.Contains(names, name) {
			continue
		}
		if meant := similar(name, names); meant != "" {
			return errMisspelt(name, meant)
		}
	}
	return nil
}

func errMisspelt(name, meant string) error {
	return errors.New(name + " is not a setting; did you mean " + meant + "?")
}

// similar returns the name that differs least from the given one. It returns "" if each name
// differs in more than a third of its characters after the prefix, or in more than three.
func similar(name string, names []string) (meant string) {
	least := 4
	for _, candidate := range names {
		edits := distance(strings.TrimPrefix(name, prefix), strings.TrimPrefix(candidate, prefix))
		if edits < least && edits <= (len(candidate)-len(prefix))/3 {
			meant, least = candidate, edits
		}
	}
	return meant
}

// distance returns the least number of edits that turn a into b. An edit inserts, removes or
// replaces a byte, or exchanges two neighbours.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range b {
		rows[0][j+1] = j + 1
	}
	for i := range len(a) {
		for j := range len(b) {
			replaced := rows[i][j]
			if a[i] != b[j] {
				replaced++
			}
			edits := min(replaced, rows[i][j+1]+1, rows[i+1][j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				edits = min(edits, rows[i-1][j-1]+1)
			}
			rows[i+1][j+1] = edits
		}
	}
	return rows[len(a)][len(b)]
}
