package main

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/diagnostics"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/settings"
	"github.com/fieldgate/fieldgate/cmd/program"
)

// newConfig returns the configuration of the agent.
func newConfig(s settings.Settings) (agent.Config, error) {
	if err := checkURL(s); err != nil {
		return agent.Config{}, err
	}
	code, err := activationCode(s)
	if err != nil {
		return agent.Config{}, err
	}
	transport, err := newTransport(s)
	if err != nil {
		return agent.Config{}, err
	}
	trust, err := newTrust(s)
	if err != nil {
		return agent.Config{}, err
	}
	return agent.Config{
		URL: s.URL, StateFile: s.State, ActivationCode: code, Metadata: metadata(s.Metadata), Version: program.Version(),
		Concurrency: s.Concurrency, Lease: s.Lease, Grace: s.Grace, PollWait: s.PollWait, PollOnly: s.PollOnly,
		Transport: transport, Trust: trust, Metrics: diagnostics.Metrics, Logger: newLogger(s.LogLevel),
	}, nil
}

func newLogger(name string) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(name)) // the flag allows only valid levels
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// activationCode returns the activation code, or "" if there is none. A missing file is no error:
// it may be removed once the device is registered.
func activationCode(s settings.Settings) (string, error) {
	if s.ActivationCodeFile == "" {
		return s.ActivationCode, nil
	}
	text, err := os.ReadFile(s.ActivationCodeFile)
	if err != nil && !os.IsNotExist(err) {
		return "", fmt.Errorf("reading the activation code: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// metadata returns the metadata of the machine, overridden by those of the settings.
func metadata(set map[string]string) fieldgate.DeviceMetadata {
	m := diagnostics.Metadata()
	fields := map[string]*string{"model": &m.Model, "firmwareVersion": &m.FirmwareVersion, "serialNumber": &m.SerialNumber}
	rest := maps.Clone(set)
	for name, field := range fields {
		if value, found := rest[name]; found {
			*field = value
			delete(rest, name)
		}
	}
	maps.Copy(m.AdditionalProperties, rest)
	return m
}
