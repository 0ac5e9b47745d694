package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestVerify_JudgesReceiptsOffline verifies receipts of the client's vectors, from a file and from the
// standard input.
func TestVerify_JudgesReceiptsOffline(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../clients/go/testdata/receipts.json")
	require.NoError(t, err)
	var vectors struct {
		Keys    json.RawMessage
		Rosters map[string]json.RawMessage
		Vectors []struct{ Name, Receipt string }
	}
	require.NoError(t, json.Unmarshal(text, &vectors))
	receipts := map[string]string{}
	for _, v := range vectors.Vectors {
		receipts[v.Name] = v.Receipt
	}
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys.json")
	require.NoError(t, os.WriteFile(keys, vectors.Keys, 0o600))
	verify := func(name string, args ...string) (string, error) {
		cmd := exec.Command(program, append([]string{"verify", "-", "--keys", keys}, args...)...)
		cmd.Stdin = strings.NewReader(receipts[name] + "\n")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}

	out, err := verify("approved by two", "--require", "2")
	require.NoError(t, err, out)
	for _, line := range []string{`Parameters     {"say":"stated"}`, `Device         dev_1, "Pump 7"`, "May run        once", `approved       by "carol"`, "2 users other than the proposer have approved."} {
		require.Contains(t, out, line)
	}
	out, err = verify("approved by one", "--require", "2")
	require.Error(t, err)
	require.Contains(t, out, "fieldgate: 1 user other than the proposer has approved, and 2 are required")
	require.Contains(t, out, "\n1 user other than the proposer has approved.\n")
	out, err = verify("needs no approval", "--require", "1")
	require.Error(t, err)
	require.Contains(t, out, "fieldgate: 0 users other than the proposer have approved, and 1 is required")
	out, err = verify("another payload")
	require.Error(t, err)
	require.Equal(t, "fieldgate: reading a receipt: its signature is wrong\n", out)

	for name, roster := range vectors.Rosters {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), roster, 0o600))
	}
	roster := func(name, roster string, args ...string) (string, error) {
		return verify(name, append(args, "--roster", filepath.Join(dir, roster))...)
	}
	out, err = roster("passkeys: approved by two", "first", "--require", "2")
	require.NoError(t, err, out)
	require.Regexp(t, `approved       by "carol" at 2026-11-30T11:59:00Z, with the passkey [\w-]{22}\n`, out)
	require.Contains(t, out, `Roster         version 1 of the customer "acme", approvers: 3`)
	out, err = roster("passkeys: approved by two", "later", "--require", "2")
	require.Error(t, err)
	require.Contains(t, out, `by "carol" at 2026-11-30T11:59:00Z, which does not count: the passkey is not in this version of the roster`)
	require.Contains(t, out, "fieldgate: 1 user other than the proposer has signed it with a passkey of version 2 of the roster, and 2 are required")
	out, err = roster("approved by two", "first")
	require.Error(t, err)
	require.Contains(t, out, `by "bob" at 2026-11-30T11:59:00Z, which does not count: the vote is not signed with a passkey`)

	file := filepath.Join(dir, "receipt.jws")
	require.NoError(t, os.WriteFile(file, []byte(receipts["needs no approval"]), 0o600))
	combined, err := exec.Command(program, "verify", file, "--keys", keys).CombinedOutput()
	require.NoError(t, err, string(combined))
	combined, err = exec.Command(program, "verify", file, "--keys", file).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(combined), "decoding a set of keys")
	combined, err = exec.Command(program, "verify", file).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(combined), "set --keys, --roster or both")
	require.NoError(t, os.WriteFile(file, []byte(receipts["passkeys: approved by one"]), 0o600))
	combined, err = exec.Command(program, "verify", file, "--roster", filepath.Join(dir, "first")).CombinedOutput()
	require.NoError(t, err, string(combined))
	require.Contains(t, string(combined), "The signature of the gateway was not verified.")
}
