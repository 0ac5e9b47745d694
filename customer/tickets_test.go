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

const page = "https://app.example.com"

// desk issues and redeems tickets for the tests of one store.
type desk struct {
	*customer.Tickets
	store *store.Store
}

func newDesk(s *store.Store, change ...func(*customer.TicketConfig)) desk {
	cfg := customer.TicketConfig{Store: s}
	for _, c := range change {
		c(&cfg)
	}
	return desk{customer.NewTickets(cfg), s}
}

// someone is a principal whose token is good for another hour.
func someone() customer.Principal {
	return customer.Principal{
		Tenant: storetest.Tenant(), UserID: "u-alice", Role: customer.Approver, SoleUser: true,
		ExpiresAt: time.Now().Add(time.Hour).Truncate(time.Millisecond).UTC(), SessionID: "s-1",
	}
}

func (d desk) issue(t testing.TB, p customer.Principal, origin string) customer.Ticket {
	t.Helper()
	ticket, err := d.Issue(t.Context(), p, origin)
	require.NoError(t, err)
	return ticket
}

func (d desk) requireRedeemed(t testing.TB, want customer.Principal, token, origin string) {
	t.Helper()
	redeemed, err := d.Redeem(t.Context(), token, origin)
	require.NoError(t, err)
	require.Equal(t, want, redeemed)
}

func (d desk) requireRefused(t testing.TB, token, origin string) {
	t.Helper()
	redeemed, err := d.Redeem(t.Context(), token, origin)
	requireUniform(t, err)
	require.Zero(t, redeemed)
}

// requireUniform holds an error against the one refusal that every bad token gets.
func requireUniform(t testing.TB, err error) {
	t.Helper()
	var refusal *fieldgate.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, fieldgate.CodeUnauthorized, refusal.Code)
	require.Equal(t, "A valid, current access token for this service is required.", refusal.Detail)
}

// keyOf is where a ticket is kept.
func keyOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return store.TicketKey(hex.EncodeToString(sum[:]))
}

// left tells how much longer the store keeps a ticket; negative: it does not.
func (d desk) left(t testing.TB, token string) (left time.Duration) {
	t.Helper()
	require.NoError(t, d.store.Do(t.Context(), "left", func(ctx context.Context, c store.Client) (err error) {
		left, err = c.PTTL(ctx, keyOf(token)).Result()
		return err
	}))
	return left
}

func TestATicketStandsForThePersonItWasIssuedTo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, origin := range []string{page, ""} {
			alice, bob := someone(), someone()
			bob.UserID, bob.Role, bob.SoleUser, bob.SessionID = "u-bob", customer.Viewer, false, ""
			hers, his := newDesk(s).issue(t, alice, origin), newDesk(s).issue(t, bob, origin)

			newDesk(s).requireRedeemed(t, bob, his.Token, origin)
			newDesk(s).requireRedeemed(t, alice, hers.Token, origin)
		}
	})
}

func TestOfAHundredWhoShowATicketOneGetsIn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(s)
		ticket := d.issue(t, someone(), page)
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
			requireUniform(t, err)
		}
	})
}

func TestATicketIsGoodForThirtySeconds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		before := time.Now()

		ticket := newDesk(s).issue(t, someone(), page)

		require.WithinRange(t, ticket.ExpiresAt, before.Add(29*time.Second), time.Now().Add(31*time.Second))
		left := newDesk(s).left(t, ticket.Token)
		require.Greater(t, left, 20*time.Second)
		require.LessOrEqual(t, left, 30*time.Second)
	})
}

func TestATicketThatExpiredIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(s, func(c *customer.TicketConfig) { c.TTL = time.Millisecond })
		ticket := d.issue(t, someone(), page)

		require.Eventually(t, func() bool { return d.left(t, ticket.Token) < 0 }, 10*time.Second, 5*time.Millisecond)

		d.requireRefused(t, ticket.Token, page)
	})
}

func TestATicketDoesNotOutliveTheTokenItWasBoughtWith(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d, p := newDesk(s), someone()
		p.ExpiresAt = time.Now().Add(10 * time.Second).Truncate(time.Millisecond).UTC()

		ticket := d.issue(t, p, page)

		require.Equal(t, p.ExpiresAt, ticket.ExpiresAt)
		require.LessOrEqual(t, d.left(t, ticket.Token), 10*time.Second)

		p.ExpiresAt = time.Now().Add(-time.Second)
		_, err := d.Issue(t.Context(), p, page)
		requireUniform(t, err)
	})
}

func TestATicketShownFromAnotherOriginIsRefusedAndUsedUp(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(s)
		for _, c := range []struct{ issued, shown string }{
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
			ticket := d.issue(t, someone(), c.issued)

			d.requireRefused(t, ticket.Token, c.shown)
			d.requireRefused(t, ticket.Token, c.issued)
		}
	})
}

func TestWhatIsNoTicketIsRefusedLikeABadOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d, alice := newDesk(s), someone()
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

func TestWhatCannotBeATicketIsNoQuestionToTheStore(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	d := newDesk(storetest.Connect(t, store.Config{Observe: func(string, time.Duration, error) { asked.Add(1) }}))
	before := asked.Load()

	for _, token := range []string{"", "fgt_", "fgt_" + strings.Repeat("A", 44), "fgd_" + strings.Repeat("A", 43)} {
		d.requireRefused(t, token, page)
	}

	require.Equal(t, before, asked.Load())
}

func TestARecordThatCannotBeReadAdmitsNobody(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(s)
		for _, record := range []string{
			"", "null", "[]", "{", `{"origin":"` + page + `"}`,
			`{"origin":"` + page + `","tenant":"c.acme","user":"u-alice","role":"none"}`,
			`{"origin":"` + page + `","tenant":"c.acme","user":"u-alice","role":4}`,
		} {
			ticket := d.issue(t, someone(), page)
			require.NoError(t, s.Do(t.Context(), "spoil", func(ctx context.Context, c store.Client) error {
				return c.Set(ctx, keyOf(ticket.Token), record, time.Minute).Err()
			}))

			d.requireRefused(t, ticket.Token, page)
		}
	})
}

func TestATicketIsNotInTheStore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(s)
		token := d.issue(t, someone(), page).Token
		secret := strings.TrimPrefix(token, "fgt_")
		require.NoError(t, s.Do(t.Context(), "look", func(ctx context.Context, c store.Client) error {
			keys, err := c.Keys(ctx, "*").Result()
			require.Contains(t, keys, keyOf(token))
			for _, key := range keys {
				require.NotContains(t, key, secret)
				require.NotContains(t, c.Get(ctx, key).Val(), secret)
			}
			return err
		}))
	})
}

func TestTicketsDiffer(t *testing.T) {
	t.Parallel()
	d, seen := newDesk(storetest.Redis(t)), map[string]bool{}
	for range 1000 {
		ticket := d.issue(t, someone(), page)

		require.Regexp(t, `^fgt_[A-Za-z0-9_-]{43}$`, ticket.Token)
		require.True(t, customer.IsTicket(ticket.Token))
		require.False(t, seen[ticket.Token])
		seen[ticket.Token] = true
	}
}

func TestAnOutageIsNoRefusalAndUsesNoTicketUp(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	d := newDesk(storetest.Connect(t, store.Config{URL: server.URL()}))
	alice := someone()
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

// A ticket is no access token: whoever verifies those refuses it.
func TestATicketIsNoAccessToken(t *testing.T) {
	t.Parallel()
	_, _, v := start(t)

	requireRefused(t, v, newDesk(storetest.Redis(t)).issue(t, someone(), page).Token)
}
