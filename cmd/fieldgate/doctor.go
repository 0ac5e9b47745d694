package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/fieldgate/fieldgate/diagnosis"
	"github.com/fieldgate/fieldgate/gateway"
)

// maxTokenFile limits what doctor reads of a file with a token.
const maxTokenFile = 64 << 10

// doctorCommand checks the settings of serve, and everything that a gateway with them needs.
type doctorCommand struct {
	serveCommand

	JSON  bool   `help:"Print the findings as JSON."`
	Name  string `placeholder:"HOST" help:"Check also whether the certificate of the API is valid for this name, with which clients call the gateway."`
	Token string `placeholder:"FILE" help:"Explain instead whether the gateway accepts the token of a user in this file, and why not; '-' for standard input."`

	in  io.Reader // default: standard input
	out io.Writer // default: standard output
}

// Run prints the findings. It returns an error if one is a failure.
func (c *doctorCommand) Run(ctx context.Context) error {
	if c.in == nil {
		c.in, c.out = os.Stdin, os.Stdout
	}
	findings, err := c.findings(ctx)
	if err != nil {
		return err
	}
	return diagnosis.Report(c.out, findings, c.JSON, 24)
}

func (c *doctorCommand) findings(ctx context.Context) ([]diagnosis.Finding, error) {
	cfg, err := c.config()
	if err != nil {
		return diagnosis.Errors("settings", err), nil
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	if c.Token == "" {
		findings := gateway.Diagnose(ctx, cfg)
		if c.Name != "" {
			findings = append(findings, gateway.DiagnoseName(cfg, c.Name)...)
		}
		return findings, nil
	}
	token, err := c.readToken()
	if err != nil {
		return nil, fmt.Errorf("reading the token: %w", err)
	}
	return gateway.ExplainToken(ctx, cfg, token), nil
}

// readToken reads the token without the white space around it, and without the word Bearer of a
// pasted header.
func (c *doctorCommand) readToken() (string, error) {
	from := c.in
	if c.Token != "-" {
		file, err := os.Open(c.Token)
		if err != nil {
			return "", err
		}
		defer file.Close()
		from = file
	}
	content, err := io.ReadAll(io.LimitReader(from, maxTokenFile))
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(string(content)), "Bearer ")), err
}
