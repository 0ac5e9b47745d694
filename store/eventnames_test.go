package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// named is a stream of events of which every third is by alice and has her names.
type named struct {
	t      testing.TB
	server *storetest.Server
	redis  *redis.Client
	key    string
	steps  int // number of scripts that the store of connect has run
}

func newNamed(t testing.TB, events int) *named {
	t.Helper()
	n := &named{t: t, server: storetest.Start(t), key: store.Tenant("c.acme").StreamKey()}
	n.redis = n.server.Client(t)
	_, err := n.redis.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
		for i := range events {
			pipe.XAdd(t.Context(), eventOf(n.key, i))
		}
		return nil
	})
	require.NoError(t, err)
	storetest.Connect(t, store.Config{URL: n.server.URL()}) // creates the store
	return n
}

// eventOf returns the event with a number. Every third is by alice, and every second is packed.
func eventOf(key string, i int) *redis.XAddArgs {
	e := store.Event{Type: "device.updated", Actor: "user:bob", Name: "Bob", Email: "bob@example.com"}
	if i%3 == 0 {
		e = store.Event{Type: "device.updated", Actor: "user:alice", Name: "Alice", Email: "alice@example.com", Data: `{"name":"Pump"}`}
	}
	values := []string{"number", fmt.Sprint(i), "type", e.Type, "actor", e.Actor, "name", e.Name, "email", e.Email, "data", e.Data}
	if i%2 == 0 {
		values = []string{"number", fmt.Sprint(i), "event", strings.Join([]string{e.Type, "1", e.Actor, e.Name, e.Email, "r1", "", "", e.Data, "later"}, "\n")}
	}
	return &redis.XAddArgs{Stream: key, Values: values}
}

// connect returns a store that calls f after each script with this number, counted from 1.
func (n *named) connect(steps map[int]func()) *store.Store {
	n.t.Helper()
	n.steps = 0
	n.t.Cleanup(func() { require.GreaterOrEqual(n.t, n.steps, len(steps)) })
	return storetest.Connect(n.t, store.Config{URL: n.server.URL(), Existing: true, Observe: func(name string, _ time.Duration, _ error) {
		if name != "erase_event_names" {
			return
		}
		n.steps++
		if f := steps[n.steps]; f != nil {
			f()
		}
	}})
}

func (n *named) events() []redis.XMessage {
	n.t.Helper()
	events, err := n.redis.XRange(context.Background(), n.key, "-", "+").Result()
	require.NoError(n.t, err)
	return events
}

// withoutAlice returns the events as they are without the names of alice.
func withoutAlice(events []redis.XMessage) (anonymous []redis.XMessage) {
	for _, e := range events {
		if text, packed := e.Values["event"].(string); packed {
			e.Values["event"] = strings.Replace(text, "\nAlice\nalice@example.com\n", "\n\n\n", 1)
		} else if e.Values["actor"] == "user:alice" {
			delete(e.Values, "name")
			delete(e.Values, "email")
		}
		anonymous = append(anonymous, e)
	}
	return anonymous
}

// namesAlice reports whether an event has a name of alice.
func namesAlice(e redis.XMessage) bool {
	event := store.ParseEvent(e)
	return event.Actor == "user:alice" && event.Name+event.Email != ""
}

func (n *named) erase(s *store.Store) (int, error) {
	return s.EraseEventNames(n.t.Context(), n.key, "alice", false)
}

// requireNoCopy requires that no unfinished copy is left.
func (n *named) requireNoCopy() {
	n.t.Helper()
	require.Zero(n.t, n.redis.Exists(n.t.Context(), n.key+":copy").Val())
}

func TestEraseEventNames_KeepsEverythingElse(t *testing.T) {
	t.Parallel()
	for name, ttl := range map[string]time.Duration{"stream": 0, "timeline that expires": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNamed(t, 1000)
			last := n.redis.XAdd(t.Context(), &redis.XAddArgs{Stream: n.key, ID: "9999999999999-7", Values: []string{"type", "deleted"}}).Val()
			require.EqualValues(t, 1, n.redis.XDel(t.Context(), n.key, last).Val())
			if ttl > 0 {
				require.True(t, n.redis.PExpire(t.Context(), n.key, ttl).Val())
			}
			s, want := n.connect(nil), withoutAlice(n.events())
			found, err := s.EraseEventNames(t.Context(), n.key, "alice", true)
			require.NoError(t, err)
			require.Equal(t, 334, found)
			require.NotEqual(t, want, n.events(), "a dry run has erased")

			erased, err := n.erase(s)
			require.NoError(t, err)
			require.Equal(t, 334, erased)
			require.Equal(t, want, n.events())
			n.requireNoCopy()
			if left := n.redis.PTTL(t.Context(), n.key).Val(); ttl > 0 {
				require.Greater(t, left, ttl-time.Minute)
			} else {
				require.Equal(t, time.Duration(-1), left, "the stream expires")
			}
			next, ok := store.ParseStreamID(n.redis.XAdd(t.Context(), eventOf(n.key, 0)).Val())
			require.True(t, ok)
			require.EqualValues(t, 9999999999999, next.Ms, "an id of a deleted event may be used again")

			erased, err = n.erase(s)
			require.NoError(t, err)
			require.Equal(t, 1, erased, "the event that was added")
			erased, err = n.erase(s)
			require.NoError(t, err)
			require.Zero(t, erased)
		})
	}
}

// TestEraseEventNames_LosesNoAddedEvent adds events between the scripts and beside them.
func TestEraseEventNames_LosesNoAddedEvent(t *testing.T) {
	t.Parallel()
	n := newNamed(t, 3000)
	s := n.connect(map[int]func(){2: func() { n.redis.XAdd(context.Background(), eventOf(n.key, 3000)) }})
	done, added := make(chan struct{}), 3000
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; ; i++ {
			select {
			case <-done:
				return
			default:
				if n.redis.XAdd(context.Background(), eventOf(n.key, 3000+i)).Err() == nil {
					added = 3000 + i
				}
			}
		}
	})
	_, err := n.erase(s)
	close(done)
	wg.Wait()
	require.NoError(t, err)
	numbers := map[any]bool{}
	for _, e := range n.events() {
		numbers[e.Values["number"]] = true
	}
	require.Len(t, numbers, added+1)
	for _, e := range n.events()[:3000] {
		require.False(t, namesAlice(e), e.ID)
	}
}

// TestEraseEventNames_DeletedEventStaysDeleted deletes an event that the copy has already.
func TestEraseEventNames_DeletedEventStaysDeleted(t *testing.T) {
	t.Parallel()
	n := newNamed(t, 1000)
	events := n.events()
	_, err := n.erase(n.connect(map[int]func(){2: func() { n.redis.XDel(context.Background(), n.key, events[100].ID) }}))
	require.NoError(t, err)
	require.Equal(t, withoutAlice(append(events[:100:100], events[101:]...)), n.events())
	n.requireNoCopy()
}

// TestEraseEventNames_TrimmedStreamIsCopiedOnce trims the stream meanwhile, as each event may that the
// gateway adds. A run that had to begin again would never end in a busy stream.
func TestEraseEventNames_TrimmedStreamIsCopiedOnce(t *testing.T) {
	t.Parallel()
	n := newNamed(t, 1000)
	events := n.events()
	_, err := n.erase(n.connect(map[int]func(){2: func() { n.redis.XTrimMinID(context.Background(), n.key, events[50].ID) }}))
	require.NoError(t, err)
	require.Equal(t, withoutAlice(events[50:]), n.events())
	require.Equal(t, 6, n.steps)
	n.requireNoCopy()
}

func TestEraseEventNames_DeletedStreamStaysDeleted(t *testing.T) {
	t.Parallel()
	n := newNamed(t, 1000)
	_, err := n.erase(n.connect(map[int]func(){2: func() { n.redis.Del(context.Background(), n.key) }}))
	require.NoError(t, err)
	require.Empty(t, n.events())
	n.requireNoCopy()
}

// TestEraseEventNames_InterruptedRunIsRepeated ends a run between two scripts.
func TestEraseEventNames_InterruptedRunIsRepeated(t *testing.T) {
	t.Parallel()
	n := newNamed(t, 1000)
	before := n.events()
	ctx, interrupt := context.WithCancel(t.Context())
	_, err := n.connect(map[int]func(){2: interrupt}).EraseEventNames(ctx, n.key, "alice", false)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, before, n.events())
	left := n.redis.PTTL(t.Context(), n.key+":copy").Val()
	require.True(t, left > 0 && left <= time.Minute, "the copy has names of others and does not expire: %s", left)

	erased, err := n.erase(n.connect(nil))
	require.NoError(t, err)
	require.Equal(t, 334, erased)
	require.Equal(t, withoutAlice(before), n.events())
	n.requireNoCopy()
}

// TestEraseEventNames_LostCopyReplacesNothing loses the copy, or lets another run begin one.
func TestEraseEventNames_LostCopyReplacesNothing(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(n *named){
		"expired": func(n *named) { n.redis.Del(context.Background(), n.key+":copy") },
		"another run": func(n *named) {
			_, err := n.connect(nil).EraseEventNames(n.t.Context(), n.key, "bob", false)
			require.NoError(n.t, err)
			n.redis.XAdd(context.Background(), &redis.XAddArgs{Stream: n.key + ":copy", ID: "0-1", Values: []string{"run", "other"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNamed(t, 1000)
			_, err := n.erase(n.connect(map[int]func(){2: func() { lose(n) }}))
			require.ErrorContains(t, err, "run the command again")
			require.Len(t, n.events(), 1000)
			erased, err := n.erase(n.connect(nil))
			require.NoError(t, err)
			require.Equal(t, 334, erased)
			for _, e := range n.events() {
				require.False(t, namesAlice(e))
			}
		})
	}
}

// TestEraseEventNames_FullStoreKeepsStream copies a stream for which the store has no memory.
func TestEraseEventNames_FullStoreKeepsStream(t *testing.T) {
	t.Parallel()
	n := newNamed(t, 1000)
	s, before := n.connect(nil), n.events()
	require.NoError(t, n.redis.ConfigSet(t.Context(), "maxmemory", "1mb").Err())
	_, err := n.erase(s)
	require.ErrorContains(t, err, "copying a stream of events")
	require.Equal(t, before, n.events())
	n.requireNoCopy()
}

// TestEraseEventNames_MissingRightKeepsStream takes one right at a time from the user of the gateway. A
// stream needs most of them only when its copy replaces it.
func TestEraseEventNames_MissingRightKeepsStream(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"rename", "persist", "pttl", "pexpire", "unlink", "xlen", "xdel", "xadd", "xrange"} {
		for name, ttl := range map[string]time.Duration{"": 0, " that expires": time.Hour} {
			t.Run(command+name, func(t *testing.T) {
				t.Parallel()
				n := newNamed(t, 300)
				require.NoError(t, n.redis.ACLSetUser(t.Context(), "gateway", "on", ">secret", "~*", "&*", "+@all", "-"+command).Err())
				if ttl > 0 {
					require.True(t, n.redis.PExpire(t.Context(), n.key, ttl).Val())
				}
				before := n.events()
				s := storetest.Connect(t, store.Config{URL: strings.Replace(n.server.URL(), "//", "//gateway:secret@", 1), Existing: true})
				_, err := n.erase(s)
				require.Error(t, err)
				require.Equal(t, before, n.events())
				left := n.redis.PTTL(t.Context(), n.key).Val()
				require.Equal(t, ttl > 0, left > 0)
				if command != "pexpire" { // the copy then has no events
					require.NotEqual(t, time.Duration(-1), n.redis.PTTL(t.Context(), n.key+":copy").Val(), "the copy does not expire")
				}
			})
		}
	}
}
