package queue

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Digest names exactly what a person approves: the SHA-256, in hexadecimal, of
// the canonical JSON of tenant, device, type, parameters, maxAttempts and
// deliverBy. Canonical means: no spaces, keys sorted by their bytes, nothing
// escaped that need not be, numbers as they were written. deliverBy is in Unix
// milliseconds. None of these ever changes, so neither does the digest.
func Digest(c Command) (string, error) {
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

// canonical writes JSON in its canonical form. Numbers keep their digits: two
// that differ beyond what a float can hold are two different commands.
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

// fingerprint shortens what has to be compared, not read.
func fingerprint(parts ...any) (string, error) {
	raw, err := encode(parts)
	if err != nil {
		return "", fmt.Errorf("fingerprinting a request: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16]), nil
}
