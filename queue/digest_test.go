package queue_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
)

// digested returns a command in which every field that the digest covers is set.
func digested() queue.Command {
	return queue.Command{
		Proposal: queue.Proposal{
			Tenant: "c.acme", Type: "config.set", MaxAttempts: 1,
			Parameters: json.RawMessage(`{"b": [1, 2.0], "a": "x<y"}`),
		},
		DeviceID: "dev_1", DeliverBy: time.UnixMilli(1_700_000_000_000),
	}
}

func digest(t *testing.T, c queue.Command) string {
	t.Helper()
	d, err := queue.Digest(c)
	require.NoError(t, err)
	return d
}

func TestDigest_HashesCanonicalJSON(t *testing.T) {
	t.Parallel()
	canonical := `{"deliverBy":1700000000000,"device":"dev_1","maxAttempts":1,"parameters":{"a":"x<y","b":[1,2.0]},"tenant":"c.acme","type":"config.set"}`
	sum := sha256.Sum256([]byte(canonical))
	require.Equal(t, hex.EncodeToString(sum[:]), digest(t, digested()))
}

func TestDigest_IgnoresFormattingOfParameters(t *testing.T) {
	t.Parallel()
	c := digested()
	c.Parameters = json.RawMessage("{\n \"a\":\"x\\u003cy\",\"b\":[1,2.0]}")
	require.Equal(t, digest(t, digested()), digest(t, c))
}

func TestDigest_CoversEveryApprovedField(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*queue.Command){
		"tenant":       func(c *queue.Command) { c.Tenant = "c.other" },
		"device":       func(c *queue.Command) { c.DeviceID = "dev_2" },
		"type":         func(c *queue.Command) { c.Type = "config.get" },
		"attempts":     func(c *queue.Command) { c.MaxAttempts = 2 },
		"deliverBy":    func(c *queue.Command) { c.DeliverBy = c.DeliverBy.Add(time.Millisecond) },
		"parameters":   func(c *queue.Command) { c.Parameters = json.RawMessage(`{}`) },
		"big integer":  func(c *queue.Command) { c.Parameters = json.RawMessage(`{"n":9007199254740993}`) },
		"a near float": func(c *queue.Command) { c.Parameters = json.RawMessage(`{"n":9007199254740992}`) },
		"precision":    func(c *queue.Command) { c.Parameters = json.RawMessage(`{"n":0.1}`) },
		"more digits":  func(c *queue.Command) { c.Parameters = json.RawMessage(`{"n":0.10000000000000001}`) },
	}
	seen := map[string]string{digest(t, digested()): "unchanged"}
	for name, change := range changes {
		c := digested()
		change(&c)
		d := digest(t, c)
		require.Empty(t, seen[d], "the digest is that of %q", name)
		seen[d] = name
	}
}

func TestDigest_IgnoresProgress(t *testing.T) {
	t.Parallel()
	c := digested()
	c.Status, c.Attempt, c.ClaimedAt, c.Result = queue.Succeeded, 3, time.Now(), &queue.Result{Output: "ok"}
	require.Equal(t, digest(t, digested()), digest(t, c))
}
