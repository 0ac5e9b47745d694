package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/logs"
)

// reloadAtEach applies the files of settings again at each signal until ctx ends. A file that cannot
// be used changes nothing, and its error is logged.
func (c *serveCommand) reloadAtEach(ctx context.Context, hangups <-chan os.Signal, g *gateway.Gateway, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		if err := c.reload(g); err != nil {
			log.Error("reloading the settings failed", "error", err)
		} else {
			log.Info("reloaded the settings")
		}
	}
}

func (c *serveCommand) reload(g *gateway.Gateway) error {
	next, err := c.reread()
	if err != nil {
		return err
	}
	return g.Reload(next)
}

// reread returns the settings that can change while the gateway runs. Those that are in a file are
// read from it again. The others keep their values.
func (c *serveCommand) reread() (gateway.Reloaded, error) {
	again := *c
	for setting, value := range map[string]*string{
		"FIELDGATE_LOG_LEVEL": &again.LogLevel, "FIELDGATE_ADMIN_TOKEN": &again.AdminToken,
		"FIELDGATE_JWT_SECRET": &again.JWTSecret, "FIELDGATE_JWT_SECRET_PREVIOUS": &again.OldSecrets,
	} {
		file := os.Getenv(setting + fileSuffix)
		if file == "" {
			continue
		}
		content, err := readSetting(file)
		if err != nil {
			return gateway.Reloaded{}, fmt.Errorf("reading %s: %w", setting+fileSuffix, err)
		}
		*value = content
	}
	level, ok := logs.ParseLevel(again.LogLevel)
	if !ok {
		return gateway.Reloaded{}, errors.New("FIELDGATE_LOG_LEVEL is not debug, info, warn or error")
	}
	return gateway.Reloaded{
		LogLevel: level, AdminToken: again.AdminToken,
		JWTSecret: again.JWTSecret, PreviousJWTSecrets: again.previousSecrets(),
	}, nil
}
