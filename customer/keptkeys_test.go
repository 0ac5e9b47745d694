package customer_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// keptSecret is the secret of the installation.
var keptSecret = []byte(strings.Repeat("k", 32))

// instance is a verifier that keeps its keys in a store.
type instance struct {
	*customer.Verifier
	log *storetest.Buffer
}

// newInstance starts an instance of the installation with the secret.
func newInstance(t testing.TB, s *store.Store, iss *customertest.Issuer, clk *clock, secret []byte) instance {
	t.Helper()
	log := new(storetest.Buffer)
	cfg := configFor(iss)
	cfg.Now, cfg.Logger = clk.Now, slog.New(slog.NewTextHandler(log, nil))
	v := newVerifier(t, cfg)
	v.KeepKeys(s, secret)
	return instance{v, log}
}

// keptRecord waits until the store has kept the keys of the issuer, and returns the record.
func keptRecord(t testing.TB, s *store.Store, iss *customertest.Issuer) (record string) {
	t.Helper()
	require.Eventually(t, func() bool {
		err := s.Do(t.Context(), "get", func(ctx context.Context, c store.Client) (err error) {
			record, err = c.Get(ctx, store.IssuerKeysKey(iss.JWKSURL())).Result()
			return err
		})
		return err == nil
	}, 10*time.Second, time.Millisecond)
	return record
}

func writeRecord(t testing.TB, s *store.Store, iss *customertest.Issuer, record string) {
	t.Helper()
	require.NoError(t, s.Do(t.Context(), "set", func(ctx context.Context, c store.Client) error {
		return c.Set(ctx, store.IssuerKeysKey(iss.JWKSURL()), record, 0).Err()
	}))
}

func stopIssuer(iss *customertest.Issuer) { iss.Respond(respondWith(http.StatusBadGateway, "")) }

func TestKeptKeys_VerifyWhileIssuerIsDown(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		iss, clk := customertest.NewIssuer(t), newClock()
		requireAccepted(t, newInstance(t, s, iss, clk, keptSecret).Verifier, freshToken(iss, clk))
		require.NotContains(t, keptRecord(t, s, iss), `"d":`, "only public keys are kept")
		fetched := clk.Now()

		stopIssuer(iss)
		clk.Advance(24 * time.Hour)
		second := newInstance(t, s, iss, clk, keptSecret)
		require.Error(t, second.Ready())
		requireAccepted(t, second.Verifier, freshToken(iss, clk))
		require.NoError(t, second.Ready())
		require.True(t, second.KeysFetchedAt().Equal(fetched))
		require.Equal(t, 1, strings.Count(second.log.String(), "using the issuer's keys that the store has kept"))
		require.Contains(t, second.log.String(), "age=24h0m0s")

		clk.Advance(time.Second)
		requireUnavailable(t, second.Verifier, freshToken(iss, clk))
		require.NoError(t, second.Ready(), "devices lose their service when the keys are too old")
		require.False(t, second.HasKeys())
		require.True(t, second.KeysFetchedAt().Equal(fetched))
	})
}

// TestKeptKeys_OldOnesAreNotUsed starts an instance a day after the last fetch.
func TestKeptKeys_OldOnesAreNotUsed(t *testing.T) {
	t.Parallel()
	s, iss, clk := storetest.Redis(t), customertest.NewIssuer(t), newClock()
	requireAccepted(t, newInstance(t, s, iss, clk, keptSecret).Verifier, freshToken(iss, clk))
	keptRecord(t, s, iss)
	stopIssuer(iss)
	clk.Advance(24*time.Hour + time.Second)
	requireUnavailable(t, newInstance(t, s, iss, clk, keptSecret).Verifier, freshToken(iss, clk))
	err := s.Do(t.Context(), "ttl", func(ctx context.Context, c store.Client) error {
		ttl, err := c.TTL(ctx, store.IssuerKeysKey(iss.JWKSURL())).Result()
		require.InDelta(t, 24*time.Hour, ttl, float64(time.Minute))
		return err
	})
	require.NoError(t, err)
}

// TestKeySource_OldKeysAreNotUsed lets the keys of a running instance grow too old.
func TestKeySource_OldKeysAreNotUsed(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	token := freshToken(iss, clk)
	requireAccepted(t, v, token)
	stopIssuer(iss)
	clk.Advance(24*time.Hour + time.Second)
	requireUnavailable(t, v, freshToken(iss, clk))
	require.NoError(t, v.Ready(), "devices lose their service when the keys are too old")
	require.False(t, v.HasKeys())
	require.Zero(t, v.Health().Keys)

	iss.Restore()
	clk.Advance(cooldown)
	requireAccepted(t, v, freshToken(iss, clk))
}

// TestKeptKeys_IssuerDecides withdraws the key that the store has kept.
func TestKeptKeys_IssuerDecides(t *testing.T) {
	t.Parallel()
	s, iss, clk := storetest.Redis(t), customertest.NewIssuer(t), newClock()
	withdrawn := freshToken(iss, clk)
	requireAccepted(t, newInstance(t, s, iss, clk, keptSecret).Verifier, withdrawn)
	keptRecord(t, s, iss)
	require.NoError(t, iss.Rotate())
	iss.Withdraw()

	stopIssuer(iss)
	second := newInstance(t, s, iss, clk, keptSecret)
	requireAccepted(t, second.Verifier, withdrawn)
	iss.Restore()
	clk.Advance(cooldown)
	requireAccepted(t, second.Verifier, freshToken(iss, clk))
	requireForgedRefused(t, second.Verifier, withdrawn)
}

// TestKeptKeys_ForgedOnesAreNotUsed writes records that another program could write. An attacker
// who could add a key would sign in as any user.
func TestKeptKeys_ForgedOnesAreNotUsed(t *testing.T) {
	t.Parallel()
	s, iss, clk := storetest.Redis(t), customertest.NewIssuer(t), newClock()
	attacker := customertest.NewIssuer(t)
	requireAccepted(t, newInstance(t, s, iss, clk, keptSecret).Verifier, freshToken(iss, clk))
	honest := keptRecord(t, s, iss)
	stopIssuer(iss)

	attackers := newInstance(t, s, attacker, clk, keptSecret)
	requireAccepted(t, attackers.Verifier, freshToken(attacker, clk))
	otherURL := keptRecord(t, s, attacker)
	const macLength = 64
	for name, record := range map[string]string{
		"empty":                          "",
		"short":                          "abc",
		"without MAC":                    honest[macLength:],
		"MAC of another record":          honest[:macLength] + otherURL[macLength:],
		"keys of another issuer":         otherURL,
		"changed":                        strings.Replace(honest, `"kid":"`, `"kid":"x`, 1),
		"long":                           honest + strings.Repeat(" ", 1<<20),
		"MAC of upper case and the rest": strings.ToUpper(honest[:macLength]) + honest[macLength:],
	} {
		writeRecord(t, s, iss, record)
		v := newInstance(t, s, iss, clk, keptSecret)
		requireUnavailable(t, v.Verifier, freshToken(iss, clk))
		requireUnavailable(t, v.Verifier, freshToken(attacker, clk))
		require.Equal(t, record != "", strings.Contains(v.log.String(), "not written by this installation"), name)
	}
	writeRecord(t, s, iss, honest)
	requireUnavailable(t, newInstance(t, s, iss, clk, []byte(strings.Repeat("o", 32))).Verifier, freshToken(iss, clk))
	requireAccepted(t, newInstance(t, s, iss, clk, keptSecret).Verifier, freshToken(iss, clk))
}

// TestKeptKeys_AllTypes keeps a key of each type, all with the same id.
func TestKeptKeys_AllTypes(t *testing.T) {
	t.Parallel()
	s, iss, clk := storetest.Redis(t), customertest.NewIssuer(t), newClock()
	signers := allSigners(t)
	var published []map[string]any
	for _, one := range signers {
		published = append(published, one.jwk(t, nil))
	}
	iss.Respond(publish(t, published...))
	claims := map[string]any{
		"sub": "alice", "aud": "authenticated", "iss": iss.Name(), "iat": clk.Now().Unix(), "exp": clk.Now().Add(time.Hour).Unix(),
	}
	first := newInstance(t, s, iss, clk, keptSecret)
	requireAccepted(t, first.Verifier, signers[0].token(t, claims))
	keptRecord(t, s, iss)
	stopIssuer(iss)
	second := newInstance(t, s, iss, clk, keptSecret)
	for _, one := range signers {
		requireAccepted(t, second.Verifier, one.token(t, claims))
	}
}
