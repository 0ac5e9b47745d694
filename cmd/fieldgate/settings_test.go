package main

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	settingsOfAgent "github.com/fieldgate/fieldgate/cmd/fieldgate-agent/settings"
	"github.com/fieldgate/fieldgate/cmd/program"
	"github.com/fieldgate/fieldgate/gateway"
)

// settingsOutside are the settings that configure something other than the gateway.
var settingsOutside = map[string]string{
	"FIELDGATE_DEV_ISSUER_ADDR": "the token issuer of dev listens there",
}

// fieldsWithoutSetting are the fields of gateway.Config that no setting changes.
var fieldsWithoutSetting = map[string]string{
	"Development": "dev sets it, and serve must not",
	"Sockets":     "its limits and intervals are part of the contract; tests change them",
	"Traces":      "the environment variables of OpenTelemetry set it",
	"Version":     "the linker sets it",
}

// TestSettings_EachReachesConfig changes one setting at a time and requires that the
// configuration of the gateway changes with it.
func TestSettings_EachReachesConfig(t *testing.T) {
	t.Parallel()
	reached := map[string]bool{}
	for _, command := range []string{"serve", "dev"} {
		base := parseConfig(t, command)
		for _, flag := range settingsOf(t, command) {
			name := flag.Envs[0]
			changed := changedFields(base, parseConfig(t, command, changeFlag(t, flag)))
			for _, field := range changed {
				reached[field] = true
			}
			if settingsOutside[name] == "" {
				require.NotEmpty(t, changed, "%s of %s changes nothing in gateway.Config", name, command)
			}
		}
	}
	for field := range reflect.TypeFor[gateway.Config]().Fields() {
		require.NotEqual(t, fieldsWithoutSetting[field.Name] != "", reached[field.Name],
			"gateway.Config.%s must have a setting, or a reason in fieldsWithoutSetting", field.Name)
	}
}

// TestSettings_OfOtherProgramAreAccepted checks the settings of each program with the names of the
// other.
func TestSettings_OfOtherProgramAreAccepted(t *testing.T) {
	t.Parallel()
	agent, err := kong.New(&settingsOfAgent.Settings{}, kong.Vars{"version": ""})
	require.NoError(t, err)
	names := program.SettingNames(agent.Model.Node)
	require.Contains(t, names, "FIELDGATE_STATE")
	known := knownSettings(newParser(t, &commands{}))
	require.NoError(t, program.CheckEnvironment(names, known))
	require.NoError(t, program.CheckSpelling(known, names))
	require.Error(t, program.CheckSpelling([]string{"FIELDGATE_SCRIPT"}, names))
}

// parseConfig returns the configuration of the gateway for a command line.
func parseConfig(t testing.TB, command string, args ...string) gateway.Config {
	t.Helper()
	var cli commands
	_, err := newParser(t, &cli).Parse(append([]string{command}, args...))
	require.NoError(t, err)
	config := cli.Serve.config
	if command == "dev" {
		config = func() (gateway.Config, error) { return cli.Dev.config("http://127.0.0.1:8081") }
	}
	cfg, err := config()
	require.NoError(t, err)
	return cfg
}

func newParser(t testing.TB, cli *commands) *kong.Kong {
	t.Helper()
	parser, err := kong.New(cli, options()...)
	require.NoError(t, err)
	return parser
}

// settingsOf returns the settings of a subcommand of fieldgate, as command-line flags.
func settingsOf(t testing.TB, command string) (flags []*kong.Flag) {
	t.Helper()
	children := newParser(t, &commands{}).Model.Children
	node := slices.IndexFunc(children, func(n *kong.Node) bool { return n.Name == command })
	for _, flag := range children[node].Flags {
		if flag.Name != "help" {
			require.NotEmpty(t, flag.Envs, "--%s has no environment variable", flag.Name)
			flags = append(flags, flag)
		}
	}
	require.Greater(t, len(flags), 25)
	return flags
}

// examples has a valid value for each setting that does not accept every string.
var examples = map[string]string{
	"FIELDGATE_POLICY": "a.*=review(approvals=2,reason=true),*=deny", "FIELDGATE_TRUSTED_PROXIES": "192.0.2.0/24",
	"FIELDGATE_UNIX_SOCKET_MODE": "0600",
}

// changeFlag returns a command-line argument that sets flag to a value other than its
// default.
func changeFlag(t testing.TB, flag *kong.Flag) string {
	t.Helper()
	if flag.IsBool() {
		return map[bool]string{true: "--no-", false: "--"}[flag.Default == "true"] + flag.Name
	}
	value := examples[flag.Envs[0]]
	switch target := flag.Target.Interface().(type) {
	case time.Duration:
		value = "1234s"
	case int, int64:
		value = "1234"
	case rate:
		value = "12/34"
	case string, []string:
		if value == "" {
			value = "other"
		}
		if flag.Enum != "" {
			others := maps.Clone(flag.EnumMap())
			delete(others, flag.Default)
			delete(others, "")
			value = slices.Sorted(maps.Keys(others))[0]
		}
	default:
		require.Fail(t, "no other value", "of type %T for --%s", target, flag.Name)
	}
	require.False(t, strings.EqualFold(value, flag.Default), "--%s", flag.Name)
	return "--" + flag.Name + "=" + value
}

// changedFields returns the names of the fields that differ.
func changedFields(a, b gateway.Config) (names []string) {
	before, after := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range before.NumField() {
		if !reflect.DeepEqual(before.Field(i).Interface(), after.Field(i).Interface()) {
			names = append(names, before.Type().Field(i).Name)
		}
	}
	return names
}
