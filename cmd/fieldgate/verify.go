package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// verifyCommand verifies a receipt, without a gateway.
type verifyCommand struct {
	Receipt string `arg:"" help:"File with the receipt; - for the standard input."`
	Keys    string `required:"" placeholder:"FILE" help:"File with the keys of the gateway, a JSON Web Key Set that was obtained on a way that is trusted."`
	Require int    `placeholder:"N" help:"Number of users other than the proposer who must have approved."`
}

// Run prints what the receipt says, or returns an error that says why it is worth nothing.
func (c *verifyCommand) Run() error {
	set, err := os.ReadFile(c.Keys)
	if err != nil {
		return fmt.Errorf("reading the keys: %w", err)
	}
	keys, err := fieldgate.ParseReceiptKeys(set)
	if err != nil {
		return err
	}
	compact, err := readInput(c.Receipt)
	if err != nil {
		return fmt.Errorf("reading the receipt: %w", err)
	}
	receipt, err := keys.ParseReceipt(string(bytes.TrimSpace(compact)))
	if err != nil {
		return err
	}
	printReceipt(os.Stdout, receipt, time.Now())
	if receipt.Approvers() < c.Require {
		return fmt.Errorf("%d users other than the proposer have approved, and %d are required", receipt.Approvers(), c.Require)
	}
	return nil
}

// maxInput is more than the maximum size of a receipt in bytes, which ParseReceipt checks.
const maxInput = 1 << 20

func readInput(name string) ([]byte, error) {
	var r io.Reader = os.Stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		r = file
	}
	return io.ReadAll(io.LimitReader(r, maxInput))
}

// printReceipt prints a receipt. Texts that people have chosen are quoted and in ASCII, so that they cannot
// look like other lines.
func printReceipt(w io.Writer, r fieldgate.Receipt, now time.Time) {
	s := r.Statement
	fmt.Fprintf(w, "The signature is that of the key %s.\n\n", r.KeyID)
	for _, line := range [][2]string{
		{"Command", s.CommandID}, {"Digest", s.Digest}, {"Type", s.Type}, {"Parameters", asciiJSON(s.Parameters)},
		{"Device", fmt.Sprintf("%s, %+q", s.Device.ID, s.Device.Name)}, {"Serial number", fmt.Sprintf("%+q", s.Device.SerialNumber)},
		{"Customer", fmt.Sprintf("%+q", s.Tenant)}, {"Session", s.SessionID},
		{"Proposed by", fmt.Sprintf("%+q (%s)", s.Proposer.ID, s.Proposer.Kind)}, {"Reason", fmt.Sprintf("%+q", s.Reason)},
		{"Policy", fmt.Sprintf("%s by the rule %+q of version %s", s.Policy.Effect, s.Policy.Rule, s.Policy.Version)},
		{"May run", fmt.Sprintf("up to %d times", s.MaxAttempts)}, {"Deliver by", validity(r.ExpiresAt, now)},
		{"Issued", r.IssuedAt.UTC().Format(time.RFC3339)},
	} {
		fmt.Fprintf(w, "%-14s %s\n", line[0], line[1])
	}
	for _, vote := range r.Votes {
		fmt.Fprintf(w, "%-14s by %+q at %s\n", vote.Decision, vote.UserID, vote.At.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(w, "\n%d users other than the proposer have approved.\n", r.Approvers())
}

func validity(end, now time.Time) string {
	text := end.UTC().Format(time.RFC3339)
	if now.After(end) {
		return text + ", which has passed"
	}
	return text
}

// asciiJSON returns JSON with an escape for each character that is not of ASCII: it is the same JSON, and
// no character of it can hide or move another one.
func asciiJSON(text json.RawMessage) string {
	var b strings.Builder
	for _, r := range string(text) {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}
