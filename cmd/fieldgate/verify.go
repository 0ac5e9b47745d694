package main

import (
	"bytes"
	"encoding/json"
	"errors"
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
	Keys    string `placeholder:"FILE" help:"File with the keys of the gateway, a JSON Web Key Set that was obtained on a way that is trusted. Required without a roster."`
	Roster  string `placeholder:"FILE" help:"File with the roster of the approvers, whose first version was obtained on a way that is trusted. With it, only approvals count that were signed with a passkey."`
	Require int    `placeholder:"N" help:"Number of users other than the proposer who must have approved. Default with a roster: 1."`
}

// Run prints what the receipt says, or returns an error that says why it is worth nothing.
func (c *verifyCommand) Run() error {
	receipt, err := c.read()
	if err != nil {
		return err
	}
	printStatement(os.Stdout, receipt, time.Now())
	if c.Roster == "" {
		printVotes(os.Stdout, receipt)
		return enough("approved", receipt.Approvers(), c.Require)
	}
	roster, err := readRoster(c.Roster)
	if err != nil {
		return err
	}
	return enough(fmt.Sprintf("signed it with a passkey of version %d of the roster", roster.Version),
		printSignatures(os.Stdout, receipt, roster), max(c.Require, 1))
}

// read reads the receipt, and verifies it with the keys of the gateway if there are any.
func (c *verifyCommand) read() (fieldgate.Receipt, error) {
	if c.Keys == "" && c.Roster == "" {
		return fieldgate.Receipt{}, errors.New("set --keys, --roster or both: without them, anyone can have made the receipt")
	}
	compact, err := readInput(c.Receipt)
	if err != nil {
		return fieldgate.Receipt{}, fmt.Errorf("reading the receipt: %w", err)
	}
	compact = bytes.TrimSpace(compact)
	if c.Keys == "" {
		return fieldgate.ParseUnverifiedReceipt(string(compact))
	}
	set, err := os.ReadFile(c.Keys)
	if err != nil {
		return fieldgate.Receipt{}, fmt.Errorf("reading the keys: %w", err)
	}
	keys, err := fieldgate.ParseReceiptKeys(set)
	if err != nil {
		return fieldgate.Receipt{}, err
	}
	return keys.ParseReceipt(string(compact))
}

func readRoster(name string) (fieldgate.Roster, error) {
	chain, err := os.ReadFile(name)
	if err != nil {
		return fieldgate.Roster{}, fmt.Errorf("reading the roster: %w", err)
	}
	return fieldgate.ParseRoster(chain)
}

func enough(done string, users, required int) error {
	if users < required {
		are := "are"
		if required == 1 {
			are = "is"
		}
		return fmt.Errorf("%s %s, and %d %s required", othersHave(users), done, required, are)
	}
	return nil
}

// othersHave returns the beginning of a sentence about users.
func othersHave(users int) string {
	if users == 1 {
		return "1 user other than the proposer has"
	}
	return fmt.Sprintf("%d users other than the proposer have", users)
}

// runs returns how often a command may run.
func runs(attempts int) string {
	if attempts == 1 {
		return "once"
	}
	return fmt.Sprintf("up to %d times", attempts)
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

// printStatement prints a receipt without its votes. Texts that people have chosen are quoted and in ASCII,
// so that they cannot look like other lines.
func printStatement(w io.Writer, r fieldgate.Receipt, now time.Time) {
	s := r.Statement
	if r.KeyID == "" {
		fmt.Fprint(w, "The signature of the gateway was not verified.\n\n")
	} else {
		fmt.Fprintf(w, "The signature is that of the key %+q.\n\n", r.KeyID)
	}
	for _, line := range [][2]string{
		{"Command", asciiText(s.CommandID)}, {"Digest", s.Digest}, {"Type", asciiText(s.Type)}, {"Parameters", asciiJSON(s.Parameters)},
		{"Device", fmt.Sprintf("%s, %+q", asciiText(s.Device.ID), s.Device.Name)}, {"Serial number", fmt.Sprintf("%+q", s.Device.SerialNumber)},
		{"Customer", fmt.Sprintf("%+q", s.Tenant)}, {"Session", asciiText(s.SessionID)},
		{"Proposed by", fmt.Sprintf("%+q (%s)", s.Proposer.ID, asciiText(s.Proposer.Kind))}, {"Reason", fmt.Sprintf("%+q", s.Reason)},
		{"Policy", fmt.Sprintf("%s by the rule %+q of version %s", asciiText(s.Policy.Effect), s.Policy.Rule, asciiText(s.Policy.Version))},
		{"May run", runs(s.MaxAttempts)}, {"Deliver by", validity(r.ExpiresAt, now)},
		{"Issued", r.IssuedAt.UTC().Format(time.RFC3339)},
	} {
		fmt.Fprintf(w, "%-14s %s\n", line[0], line[1])
	}
}

func printVotes(w io.Writer, r fieldgate.Receipt) {
	for _, vote := range r.Votes {
		fmt.Fprintf(w, "%-14s by %+q at %s\n", asciiText(vote.Decision), vote.UserID, vote.At.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(w, "\n%s approved.\n", othersHave(r.Approvers()))
}

// printSignatures prints which votes were signed with a passkey of a roster, and returns the number of users
// who have signed so. The times are those that the gateway says.
func printSignatures(w io.Writer, r fieldgate.Receipt, roster fieldgate.Roster) int {
	fmt.Fprintf(w, "%-14s version %d of the customer %+q, approvers: %d\n", "Roster", roster.Version, roster.Tenant, len(roster.Approvers))
	users := map[string]bool{}
	for _, vote := range r.Votes {
		fmt.Fprintf(w, "%-14s by %+q at %s, ", asciiText(vote.Decision), vote.UserID, vote.At.UTC().Format(time.RFC3339))
		if err := roster.VerifyVote(r.Statement, vote); err != nil {
			fmt.Fprintf(w, "which does not count: %s\n", asciiText(err.Error()))
			continue
		}
		users[vote.UserID] = true
		fmt.Fprintf(w, "with the passkey %s\n", vote.Assertion.CredentialID)
	}
	fmt.Fprintf(w, "\n%s signed the command with passkeys.\n", othersHave(len(users)))
	return len(users)
}

// asciiText returns a text in ASCII and without line breaks, so that it cannot look like another line.
func asciiText(text string) string { return strings.Trim(fmt.Sprintf("%+q", text), `"`) }

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
