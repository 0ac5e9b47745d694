package measure

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer/customertest"
)

// measureReceipts measures lifecycles with receipts and without them, on two gateways with the same Redis.
// The rounds alternate between them, so that a change in the machine's speed affects both alike.
func measureReceipts(t *testing.T, e extent) {
	iss := customertest.NewIssuer(t)
	redis := startRedis(t, "--appendfsync", "everysec")
	s := settings{RedisURL: redis.url, SupabaseURL: iss.URL(), AutoPipeline: true}
	without := start(t, "gateway", s)
	s.SigningKey = newSigningKey(t)
	with := start(t, "gateway", s)
	callers := newCallers(t, without, redis, iss, e.callers)
	off, on := run(t, e, without, redis, callers), run(t, e, with, redis, callers)
	for range 2 {
		on, off = cheaper(on, run(t, e, with, redis, callers)), cheaper(off, run(t, e, without, redis, callers))
	}
	table := newTable("receipts", "lifecycles/s", "p50", "p99", "CPU gateway", "CPU Redis", "**CPU, ratio**")
	for _, row := range []struct {
		name string
		cost lifecycleCost
	}{{"off", off}, {"on", on}} {
		c := row.cost
		table.row(row.name, integer(c.perSecond), ms(c.p50), ms(c.p99), us(c.server), us(c.redis), fmt.Sprintf("%.2f", float64(c.cpu())/float64(off.cpu())))
	}
	publish(t, e, "receipts", table)
}

func newSigningKey(t testing.TB) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	text, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
}
