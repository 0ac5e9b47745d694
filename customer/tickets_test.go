package customer_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// page is the origin of the browser page that opens sockets.
const page = "https://app.example.com"

// ticketBench is a test fixture: Tickets with their store.
type ticketBench struct {
	*customer.Tickets
	store *store.Store
}

func newTicketBench(s *store.Store, change ...func(*customer.TicketConfig)) ticketBench {
	cfg := customer.TicketConfig{Store: s}
	for _, c := range change {
		c(&cfg)
	}
	return ticketBench{customer.NewTickets(cfg), s}
}

// newPrincipal returns a principal with a token that expires in an hour.
func newPrincipal() customer.Principal {
	return customer.Principal{
		Tenant: storetest.Tenant(), UserID: "u-alice", Role: customer.Approver, SoleUser: true,
		IssuedAt:  time.Now().Truncate(time.Second).UTC(),
		ExpiresAt: time.Now().Add(time.Hour).Truncate(time.Millisecond).UTC(), SessionID: "s-1",
		Email: "alice@example.com", Name: "Alice", Assurance: customer.AAL2, ClientID: "app",
		SignedInAt: time.Now().Truncate(time.Second).UTC(),
	}
}

func (d ticketBench) issue(t testing.TB, p customer.Principal, origin string) customer.Ticket {
	t.Helper()
	ticket, err := d.Issue(t.Context(), p, origin)
	require.NoError(t, err)
	return ticket
}

func (d ticketBench) requireRedeemed(t testing.TB, want customer.Principal, token, origin string) {
	t.Helper()
	redeemed, err := d.Redeem(t.Context(), token, origin)
	require.NoError(t, err)
	require.Equal(t, want, redeemed)
}

func (d ticketBench) requireRefused(t testing.TB, token, origin string) {
	t.Helper()
	redeemed, err := d.Redeem(t.Context(), token, origin)
	requireUnauthorized(t, err)
	require.Zero(t, redeemed)
}

// requireUnauthorized fails the test unless err is the error that every invalid token
// gets.
func requireUnauthorized(t testing.TB, err error) {
	t.Helper()
	var refusal *fieldgate.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, fieldgate.CodeUnauthorized, refusal.Code)
	require.Equal(t, "A valid, current token is required. Log in again.", refusal.Detail)
}

// ticketKey returns the store key of a ticket.
func ticketKey(token string) string {
	sum := sha256.Sum256([]byte(token))
	return store.TicketKey(hex.EncodeToString(sum[:]))
}

// ttl returns the remaining lifetime of a ticket in the store. It is negative if the
// store does not have the ticket.
func (d ticketBench) ttl(t testing.TB, token string) (remaining time.Duration) {
	t.Helper()
	require.NoError(t, d.store.Do(t.Context(), "remaining", func(ctx context.Context, c store.Client) (err error) {
		remaining, err = c.PTTL(ctx, ticketKey(token)).Result()
		return err
	}))
	return remaining
}

func TestTicket_RedeemReturnsPrincipal(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, origin := range []string{page, ""} {
			alice, bob := newPrincipal(), newPrincipal()
			bob.UserID, bob.Role, bob.SoleUser, bob.SessionID = "u-bob", customer.Viewer, false, ""
			bob.Email, bob.Name, bob.Assurance, bob.ClientID = "", "", "", ""
			bob.SignedInAt = time.Time{}
			aliceTicket, bobTicket := newTicketBench(s).issue(t, alice, origin), newTicketBench(s).issue(t, bob, origin)

			storetest.RequireFilled(t, alice, nil)
			newTicketBench(s).requireRedeemed(t, bob, bobTicket.Token, origin)
			newTicketBench(s).requireRedeemed(t, alice, aliceTicket.Token, origin)
		}
	})
}

func TestTicket_OneOfHundredRedemptionsSucceeds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newTicketBench(s)
		ticket := d.issue(t, newPrincipal(), page)
		var admitted atomic.Int32
		var all sync.WaitGroup
		errs := make(chan error, 100)
		for range 100 {
			all.Go(func() {
				_, err := d.Redeem(context.Background(), ticket.Token, page)
				if err == nil {
					admitted.Add(1)
					return
				}
				errs <- err
			})
		}
		all.Wait()
		close(errs)

		require.EqualValues(t, 1, admitted.Load())
		for err := range errs {
			requireUnauthorized(t, err)
		}
	})
}

func TestTicket_LifetimeIsThirtySeconds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		before := time.Now()

		ticket := newTicketBench(s).issue(t, newPrincipal(), page)

		require.WithinRange(t, ticket.ExpiresAt, before.Add(29*time.Second), time.Now().Add(31*time.Second))
		remaining := newTicketBench(s).ttl(t, ticket.Token)
		require.Greater(t, remaining, 20*time.Second)
		require.LessOrEqual(t, remaining, 30*time.Second)
	})
}

func TestTicket_ExpiredIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newTicketBench(s, func(c *customer.TicketConfig) { c.TTL = time.Millisecond })
		ticket := d.issue(t, newPrincipal(), page)

		require.Eventually(t, func() bool { return d.ttl(t, ticket.Token) < 0 }, 10*time.Second, 5*time.Millisecond)

		d.requireRefused(t, ticket.Token, page)
	})
}

func TestTicket_DoesNotOutliveToken(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d, p := newTicketBench(s), newPrincipal()
		p.ExpiresAt = time.Now().Add(10 * time.Second).Truncate(time.Millisecond).UTC()

		ticket := d.issue(t, p, page)

		require.Equal(t, p.ExpiresAt, ticket.ExpiresAt)
		require.LessOrEqual(t, d.ttl(t, ticket.Token), 10*time.Second)

		p.ExpiresAt = time.Now().Add(-time.Second)
		_, err := d.Issue(t.Context(), p, page)
		requireUnauthorized(t, err)
	})
}

func TestTicket_OtherOriginIsRefusedAndConsumes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newTicketBench(s)
		for _, c := range []struct{ issued, sent string }{
			{page, "https://evil.example.net"},
			{page, ""},
			{page, "null"},
			{page, page + "/"},
			{page, page + ":443"},
			{page, "http://app.example.com"},
			{page, "https://APP.example.com"},
			{page, page + ".evil.example.net"},
			{page, page + " "},
			{"", page},
			{"", "null"},
		} {
			ticket := d.issue(t, newPrincipal(), c.issued)

			d.requireRefused(t, ticket.Token, c.sent)
			d.requireRefused(t, ticket.Token, c.issued)
		}
	})
}

func TestTicket_MalformedIsRefusedLikeUnknown(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d, alice := newTicketBench(s), newPrincipal()
		ticket := d.issue(t, alice, page).Token
		for _, token := range []string{
			"", "fgt_", "fgt_" + strings.Repeat("A", 43), ticket + "A", ticket[:len(ticket)-1], " " + ticket[1:],
			strings.ToUpper(ticket), "fgd_" + ticket[4:], strings.Repeat("fgt_", 1<<20), hex.EncodeToString([]byte(ticket)),
		} {
			d.requireRefused(t, token, page)
		}
		d.requireRedeemed(t, alice, ticket, page)
	})
}

func TestTicket_MalformedCausesNoStoreCall(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	d := newTicketBench(storetest.Connect(t, store.Config{Observe: func(string, time.Duration, error) { calls.Add(1) }}))
	before := calls.Load()

	for _, token := range []string{"", "fgt_", "fgt_" + strings.Repeat("A", 44), "fgd_" + strings.Repeat("A", 43)} {
		d.requireRefused(t, token, page)
	}

	require.Equal(t, before, calls.Load())
}

func TestTicket_DamagedRecordIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newTicketBench(s)
		for _, record := range []string{
			"", "null", "[]", "{", `{"origin":"` + page + `"}`,
			`{"origin":"` + page + `","tenant":"c.acme","user":"u-alice","role":"none"}`,
			`{"origin":"` + page + `","tenant":"c.acme","user":"u-alice","role":4}`,
		} {
			ticket := d.issue(t, newPrincipal(), page)
			require.NoError(t, s.Do(t.Context(), "spoil", func(ctx context.Context, c store.Client) error {
				return c.Set(ctx, ticketKey(ticket.Token), record, time.Minute).Err()
			}))

			d.requireRefused(t, ticket.Token, page)
		}
	})
}

func TestTicket_IsNotInStore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newTicketBench(s)
		token := d.issue(t, newPrincipal(), page).Token
		secret := strings.TrimPrefix(token, "fgt_")
		require.NoError(t, s.Do(t.Context(), "look", func(ctx context.Context, c store.Client) error {
			keys, err := c.Keys(ctx, "*").Result()
			require.Contains(t, keys, ticketKey(token))
			for _, key := range keys {
				require.NotContains(t, key, secret)
				require.NotContains(t, c.Get(ctx, key).Val(), secret)
			}
			return err
		}))
	})
}

func TestTicket_IsUnique(t *testing.T) {
	t.Parallel()
	d, seen := newTicketBench(storetest.Redis(t)), map[string]bool{}
	for range 1000 {
		ticket := d.issue(t, newPrincipal(), page)

		require.Regexp(t, `^fgt_[A-Za-z0-9_-]{43}$`, ticket.Token)
		require.True(t, customer.IsTicket(ticket.Token))
		require.False(t, seen[ticket.Token])
		seen[ticket.Token] = true
	}
}

func TestTicket_OutageIsNoRefusalAndDoesNotConsume(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	d := newTicketBench(storetest.Connect(t, store.Config{URL: server.URL()}))
	alice := newPrincipal()
	ticket := d.issue(t, alice, page)

	server.Kill()
	_, issuing := d.Issue(t.Context(), alice, page)
	_, redeeming := d.Redeem(t.Context(), ticket.Token, page)
	for _, err := range []error{issuing, redeeming} {
		require.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(err), "%v", err)
		require.NotContains(t, err.Error(), ticket.Token)
	}

	server.Restart(t)
	d.requireRedeemed(t, alice, ticket.Token, page)
}

func TestTicket_IsNoAccessToken(t *testing.T) {
	t.Parallel()
	_, _, v := setup(t)

	requireRefused(t, v, newTicketBench(storetest.Redis(t)).issue(t, newPrincipal(), page).Token)
}
