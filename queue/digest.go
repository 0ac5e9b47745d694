package queue

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/fieldgate/fieldgate/store"
)

// Digest returns the digest by which a user approves a command. It is the SHA-256, in
// hexadecimal, of the statement. A command without a statement has that of the canonical JSON of tenant, device, type, parameters, maxAttempts and
// deliverBy (in Unix milliseconds). Canonical JSON has no spaces, its keys are sorted by their
// bytes, and its numbers keep all digits. Its strings escape only quotes, backslashes, control
// characters, U+2028 and U+2029. The digest of a command never changes, because these fields
// never change.
func Digest(c Command) (string, error) {
	if len(c.Statement) > 0 {
		return statementDigest(c.Statement), nil
	}
	parameters, err := canonical(c.Parameters)
	if err != nil {
		return "", fmt.Errorf("digesting the parameters: %w", err)
	}
	whole, err := encode(map[string]any{
		"tenant": c.Tenant, "device": c.DeviceID, "type": c.Type, "parameters": json.RawMessage(parameters),
		"maxAttempts": c.MaxAttempts, "deliverBy": c.DeliverBy.UnixMilli(),
	})
	if err != nil {
		return "", fmt.Errorf("digesting a command: %w", err)
	}
	sum := sha256.Sum256(whole)
	return hex.EncodeToString(sum[:]), nil
}

// canonical returns raw in the canonical form of JSON. Numbers keep all their digits, because
// two commands may differ only in digits beyond the precision of a float64.
func canonical(raw json.RawMessage) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return encode(value)
}

func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// fingerprints returns the fingerprint of a user's request, and the one that earlier releases
// computed without the user. The scripts accept the latter in answers that those have stored.
func fingerprints(userID string, parts ...any) (current, earlier string, err error) {
	if earlier, err = fingerprint(parts...); err != nil {
		return "", "", err
	}
	current, err = fingerprint(append([]any{store.ActorUser(userID)}, parts...)...)
	return current, earlier, err
}

// fingerprint returns a short hash of parts, for comparing two requests or two results.
func fingerprint(parts ...any) (string, error) {
	raw, err := encode(parts)
	if err != nil {
		return "", fmt.Errorf("fingerprinting a request: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16]), nil
}
