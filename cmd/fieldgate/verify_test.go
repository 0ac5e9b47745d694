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
	for _, line := range []string{`Parameters     {"say":"stated"}`, `Device         dev_1, "Pump 7"`, "May run        up to 1 times", `approved       by "carol"`, "2 users other"} {
		require.Contains(t, out, line)
	}
	out, err = verify("approved by one", "--require", "2")
	require.Error(t, err)
	require.Contains(t, out, "fieldgate: 1 users other than the proposer have approved, and 2 are required")
	out, err = verify("another payload")
	require.Error(t, err)
	require.Equal(t, "fieldgate: reading a receipt: its signature is wrong\n", out)

	file := filepath.Join(dir, "receipt.jws")
	require.NoError(t, os.WriteFile(file, []byte(receipts["needs no approval"]), 0o600))
	combined, err := exec.Command(program, "verify", file, "--keys", keys).CombinedOutput()
	require.NoError(t, err, string(combined))
	combined, err = exec.Command(program, "verify", file, "--keys", file).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(combined), "decoding a set of keys")
}
