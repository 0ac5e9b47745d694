package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/fieldgate/fieldgate/cmd/program"
)

// parseFile reads a file of settings. Each line is NAME=value, in which NAME is that of an
// environment variable. Empty lines and lines that begin with # are ignored. A value may be in
// quotation marks, as in an EnvironmentFile of systemd. A name that is not in names is an error,
// because it is probably misspelt, and so is a name that occurs twice.
func parseFile(r io.Reader, names []string) (map[string]string, error) {
	values := map[string]string{}
	scanner := bufio.NewScanner(r)
	for number := 1; scanner.Scan(); number++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, err := parseSetting(line, names)
		if err == nil && slices.Contains(names, name) {
			if _, twice := values[name]; twice {
				err = fmt.Errorf("%s is set twice", name)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		values[name] = value
	}
	return values, scanner.Err()
}

// parseSetting parses one line of a file of settings. The error never contains the value, which
// may be an activation code.
func parseSetting(line string, names []string) (name, value string, err error) {
	name, value, found := strings.Cut(line, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !found {
		return "", "", errors.New("it is not NAME=value")
	}
	if err := program.CheckEnvironment([]string{name}, names); err != nil {
		return "", "", err
	}
	if !slices.Contains(names, name) {
		return "", "", fmt.Errorf("%s is not a setting: remove it, or correct its name", name)
	}
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		value = value[1 : n-1]
	}
	return name, value, nil
}

// resolver returns the resolver of the settings in a file. A variable that is set overrides the
// file, even if the variable is empty.
func resolver(values map[string]string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for _, name := range flag.Envs {
			if _, set := os.LookupEnv(name); set {
				return nil, nil
			}
			if value, found := values[name]; found {
				return value, nil
			}
		}
		return nil, nil
	})
}
