package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/fieldgate/fieldgate/cmd/program"
)

// masked stands for a secret in the log.
const masked = "***"

// logSettings logs the version and the settings with which the program starts, whether they were set
// or are defaults. Secrets are masked.
func logSettings(log *slog.Logger, level slog.Level, parsed *kong.Context) {
	log.LogAttrs(context.Background(), level, "starting",
		slog.String("version", program.Version()), slog.GroupAttrs("settings", effectiveSettings(parsed)...))
}

// effectiveSettings returns the value of each setting that has one, by the name of its variable.
func effectiveSettings(parsed *kong.Context) (settings []slog.Attr) {
	for _, flag := range parsed.Flags() {
		if len(flag.Envs) == 0 {
			continue
		}
		if text := settingText(flag.Target); text != "" {
			settings = append(settings, slog.String(flag.Envs[0], maskSetting(flag.Envs[0], text)))
		}
	}
	return settings
}

// settingText returns a setting as the operator writes it.
func settingText(value reflect.Value) string {
	if list, ok := value.Interface().([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(value.Interface())
}

// secretEndings are the endings of the names of settings that are masked whatever they contain.
var secretEndings = []string{"_KEY", "_SECRET", "_SECRET_PREVIOUS", "_TOKEN", "_PASSWORD"}

// maskSetting returns a setting without what is secret in it. Of a URL, only the scheme, the host and
// the path remain: a password may be before the host, or among the parameters.
func maskSetting(name, text string) string {
	hasEnding := func(ending string) bool { return strings.HasSuffix(name, ending) }
	if parsed, err := url.Parse(text); err == nil && parsed.Host != "" && !slices.ContainsFunc(secretEndings, hasEnding) {
		return (&url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: parsed.Path}).String()
	}
	if slices.Contains(secretSettings, name) || slices.ContainsFunc(secretEndings, hasEnding) || strings.Contains(text, "@") {
		return masked
	}
	return text
}
