package queue_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// watched is a fixture that counts the violations of invariants.
type watched struct {
	*fixture
	mu    sync.Mutex
	found []string
}

// newWatched returns a fixture on a store that no other test uses.
func newWatched(t *testing.T, url string, change ...func(*queue.Config)) *watched {
	t.Helper()
	w := new(watched)
	s := storetest.Connect(t, store.Config{URL: url, Logger: slog.New(slog.DiscardHandler), Violated: func(name string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.found = append(w.found, name)
	}})
	w.fixture = newFixture(t, s, change...)
	return w
}

// violations returns the invariants whose violation was reported since the last call.
func (w *watched) violations() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := w.found
	w.found = nil
	return found
}

// eachWatched runs a test on every type of store.
func eachWatched(t *testing.T, test func(w *watched), change ...func(*queue.Config)) {
	t.Helper()
	for name, url := range map[string]string{"embedded": "", "redis": storetest.Start(t).URL()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newWatched(t, url, change...))
		})
	}
}

// withRecordKey sets a key that is not in the store. A record without its MAC is refused.
func withRecordKey(c *queue.Config) {
	c.RecordKey, c.RecordKeyRequired = []byte("a key of the operator's own"), true
}

// setField returns a change of one field of a command's stored state.
func setField(name string, value any) func(w *watched, id string) {
	return func(w *watched, id string) { w.editState(id, func(state map[string]any) { state[name] = value }) }
}

// setParameters returns a change of the stored parameters of a command.
func setParameters(raw string) func(w *watched, id string) {
	return func(w *watched, id string) {
		w.overwriteField(id+":body", `{"type":"`+w.get(id).Type+`","parameters":`+raw+`}`)
	}
}

// tamperings returns the changes of a record by which a writer of the store makes a device
// execute something else, or otherwise, than what was proposed.
func tamperings() map[string]func(w *watched, id string) {
	return map[string]func(w *watched, id string){
		"parameters":           setParameters(`{"host":"evil.example"}`),
		"a second member":      setParameters(`{"host":"evil.example","host":"example.com"}`),
		"spelling":             setParameters(`{ "host":"example.com"}`),
		"statement":            editStatement(`example.com`, `evil.example`),
		"space in it":          editStatement(`"maxAttempts":`, `"maxAttempts": `),
		"statement and digest": withDigest(editStatement(`example.com`, `evil.example`)),
		"no JSON":              func(w *watched, id string) { w.overwriteField(id+":body", "{garbage") },
		"type": func(w *watched, id string) {
			w.overwriteField(id+":body", `{"type":"power.off","parameters":{"host":"example.com"}}`)
		},
		"number of executions": setField("max", 9),
		"deadline":             setField("deliver_by", time.Now().Add(24*365*time.Hour).UnixMilli()),
		"priority":             setField("priority", 9),
		"proposer":             setField("proposer", "user:mallory"),
		"digest":               setField("digest", strings.Repeat("0", 64)),
		"mac": func(w *watched, id string) {
			w.editState(id, func(s map[string]any) { s["mac"] = s["mac"].(string)[:9] + "AAAA" })
		},
		"parameters and digest": func(w *watched, id string) {
			setParameters(`{"host":"evil.example"}`)(w, id)
			changed := w.get(id)
			d, err := queue.Digest(changed)
			require.NoError(w.t, err)
			setField("digest", d)(w, id)
		},
		"record of another command": func(w *watched, id string) {
			other := w.state(w.propose(w.get(id).Type).ID)
			w.editState(id, func(s map[string]any) {
				s["mac"], s["digest"], s["deliver_by"] = other["mac"], other["digest"], other["deliver_by"]
			})
		},
	}
}

// requireSetAside requires that a command is in the quarantine and in no index from which it may
// run, and that an alarm was raised.
func (w *watched) requireSetAside(id, what string) {
	w.t.Helper()
	require.Contains(w.t, w.quarantined(), w.dueMember(id), what)
	require.Equal(w.t, []string{"approvedIsWhatRuns"}, w.violations(), what)
	require.Contains(w.t, w.log.String(), "refused a command whose record was changed in the store", what)
	require.Contains(w.t, w.log.String(), id, what)
	w.do(func(ctx context.Context, c store.Client) error {
		for _, position := range []int{readyKey, pendingKey, leasesKey, dueKey} {
			for _, member := range c.ZRange(ctx, w.key(position), 0, -1).Val() {
				require.NotContains(w.t, member, id, what)
			}
		}
		return nil
	})
	_, err := w.queue.Reconcile(w.t.Context(), w.device)
	require.NoError(w.t, err)
	require.Empty(w.t, w.violations(), "%s: the reconciler has repaired a command that is set aside", what)
}

func TestClaim_SetsChangedRecordAside(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		for what, tamper := range tamperings() {
			bad := w.propose(auto)
			tamper(w, bad.ID)
			good := w.propose(auto, priority(0))
			for len(w.claim(limit(1))) > 0 && !w.holds(good.ID) {
			}
			require.True(t, w.holds(good.ID), "%s: the next command was not claimed", what)
			require.Equal(t, queue.Queued, w.statusOf(bad.ID), what)
			w.requireSetAside(bad.ID, what)
		}
	})
}

// holds reports whether the device has claimed a command.
func (w *watched) holds(id string) bool { return w.statusOf(id) == queue.Claimed }

// statusOf returns the stored status of a command, whose body may be unreadable.
func (w *watched) statusOf(id string) queue.Status {
	return queue.Status(w.state(id)["status"].(string))
}

func TestClaim_SetsRecordAsideThatWasChangedAfterApproval(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		for what, tamper := range tamperings() {
			bad := w.propose(review)
			w.approve(bad)
			tamper(w, bad.ID)
			require.Empty(t, w.claim(), what)
			w.requireSetAside(bad.ID, what)
		}
	})
}

// TestClaim_SetsForgedApprovalAside writes approvals into the store, as someone who cannot
// compute their MAC.
func TestClaim_SetsForgedApprovalAside(t *testing.T) {
	t.Parallel()
	approval := map[string]any{"decision": "approved", "by": "user:" + approver, "at": time.Now().UnixMilli()}
	forgeries := map[string]func(w *watched, state map[string]any){
		"an approval": func(_ *watched, state map[string]any) { state["approval"] = approval },
		"the MAC of another approval": func(w *watched, state map[string]any) {
			other := w.propose(review, priority(0))
			w.approve(other)
			forged := w.state(other.ID)["approval"]
			w.cancel(other)
			state["approval"] = forged
		},
		"no need of an approval": func(_ *watched, state map[string]any) { delete(state, "approve_by") },
		"no MAC": func(_ *watched, state map[string]any) {
			delete(state, "mac")
			delete(state, "digest")
			state["approval"] = approval
		},
		"an unknown key": func(_ *watched, state map[string]any) { state["mac"], state["approval"] = "00000000.AAAA", approval },
	}
	eachWatched(t, func(w *watched) {
		for what, forge := range forgeries {
			c := w.propose(review)
			w.editState(c.ID, func(state map[string]any) {
				forge(w, state)
				state["status"], state["queued"] = "queued", state["created"]
			})
			w.forceReady(c.ID)
			require.Empty(t, w.claim(), what)
			w.requireSetAside(c.ID, what)
		}
		c := w.propose(review)
		w.approve(c)
		require.Equal(t, c.ID, w.claimOne().ID)
	}, withRecordKey)
}

// appendField appends a field to a command's stored state, so that it is read last.
func (w *watched) appendField(id, name string, value any) {
	w.t.Helper()
	state, err := json.Marshal(w.state(id))
	require.NoError(w.t, err)
	field, err := json.Marshal(map[string]any{name: value})
	require.NoError(w.t, err)
	w.overwriteField(id, string(state[:len(state)-1])+","+string(field[1:]))
}

// TestClaim_SetsRecordAsideThatScriptsReadOtherwise changes the case of names, which the scripts
// distinguish and encoding/json does not. The MAC would fit what encoding/json reads.
func TestClaim_SetsRecordAsideThatScriptsReadOtherwise(t *testing.T) {
	t.Parallel()
	approved := map[string]any{"decision": "approved", "by": "user:" + approver, "at": time.Now().UnixMilli()}
	changes := map[string]func(w *watched, id string, state map[string]any){
		"no need of an approval": func(w *watched, id string, state map[string]any) {
			w.editState(id, func(s map[string]any) { delete(s, "approve_by") })
			w.appendField(id, "Approve_By", state["approve_by"])
		},
		"an approval": func(w *watched, id string, _ map[string]any) {
			setField("approval", approved)(w, id)
			w.appendField(id, "Approval", nil)
		},
		"another deadline": func(w *watched, id string, state map[string]any) {
			setField("deliver_by", time.Now().Add(24*365*time.Hour).UnixMilli())(w, id)
			w.appendField(id, "Deliver_By", state["deliver_by"])
		},
	}
	eachWatched(t, func(w *watched) {
		for what, change := range changes {
			c := w.propose(review)
			if what == "another deadline" {
				w.approve(c)
			}
			w.editState(c.ID, func(s map[string]any) { s["status"], s["queued"] = "queued", s["created"] })
			w.forceReady(c.ID)
			change(w, c.ID, w.state(c.ID))
			require.Empty(t, w.claim(), what)
			w.requireSetAside(c.ID, what)
		}
	}, withRecordKey)
}

func TestClaim_SetsRecordAsideThatWasChangedBeforeRedelivery(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		bad := w.propose(auto)
		w.expireLease(w.claimOne())
		setParameters(`{"host":"evil.example"}`)(w, bad.ID)
		good := w.propose(auto)
		require.Equal(t, good.ID, w.claimOne().ID)
		require.Equal(t, []string{"proposed", "claimed", "requeued", "claimed", "released"}, w.eventTypes(bad.ID))
		w.requireSetAside(bad.ID, "redelivery")
	})
}

func TestClaim_SetsRecordAsideThatWasChangedBeforeRepetition(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		bad := w.propose(auto)
		w.claimOne(claimKey("k"))
		setParameters(`{"host":"evil.example"}`)(w, bad.ID)
		require.Empty(t, w.claim(claimKey("k")))
		w.requireSetAside(bad.ID, "repetition")
	})
}

// TestClaim_RepetitionNeedsApproval removes the approval of a claimed command, whose record is then
// as it was proposed.
func TestClaim_RepetitionNeedsApproval(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		c := w.propose(review)
		w.approve(c)
		w.claimOne(claimKey("k"))
		w.editState(c.ID, func(state map[string]any) { delete(state, "approval") })
		require.Empty(t, w.claim(claimKey("k")))
		w.requireSetAside(c.ID, "repetition")
	})
}

func TestClaim_ReturnsOthersOfTheSameClaim(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		first, bad, last := w.propose(auto), w.propose(auto), w.propose(auto)
		setParameters(`{"host":"evil.example"}`)(w, bad.ID)
		require.Equal(t, []string{first.ID, last.ID}, ids(w.claim(limit(3), claimKey("k"))))
		require.Equal(t, []string{first.ID, last.ID}, ids(w.claim(limit(3), claimKey("k"))))
		w.requireSetAside(bad.ID, "batch")
	})
}

// TestRetry_CommandFromBeforeRequiredKeyRaisesNoAlarm retries a command that had ended before the
// record key was introduced.
func TestRetry_CommandFromBeforeRequiredKeyRaisesNoAlarm(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		for _, mac := range []string{"", "00000000.AAAA"} {
			c := w.cancel(w.propose(auto))
			setField("mac", mac)(w, c.ID)
			_, err := w.queue.Retry(t.Context(), retryOf(c))
			requireRefusal(t, err, fieldgate.CodeCommandNotFound)
		}
		require.NotContains(t, w.log.String(), "changed")
		require.Empty(t, w.violations())
	}, withRecordKey)
}

func TestRetry_RefusesChangedRecord(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		c := w.cancel(w.propose(auto))
		setParameters(`{"host":"evil.example"}`)(w, c.ID)
		_, err := w.queue.Retry(t.Context(), retryOf(c))
		requireRefusal(t, err, fieldgate.CodeCommandNotFound)
	})
}

// editStatement returns a change of the stored statement of a command.
func editStatement(old, changed string) func(w *watched, id string) {
	return func(w *watched, id string) {
		edited := strings.Replace(w.body(id), old, changed, 1)
		require.NotEqual(w.t, w.body(id), edited)
		w.overwriteField(id+":body", edited)
	}
}

// withDigest returns a change that also sets the digest of the changed statement.
func withDigest(change func(w *watched, id string)) func(w *watched, id string) {
	return func(w *watched, id string) {
		change(w, id)
		setField("digest", sha256Hex([]byte(w.body(id))))(w, id)
	}
}

// dropStatement changes the record of a command to one of an earlier release, which has no statement.
func (f *fixture) dropStatement(c queue.Command) {
	f.t.Helper()
	c.Statement = nil
	digest, err := queue.Digest(c)
	require.NoError(f.t, err)
	f.editState(c.ID, func(state map[string]any) { state["digest"] = digest })
	f.overwriteField(c.ID+":body", `{"type":"`+c.Type+`","parameters":`+string(c.Parameters)+`}`)
}

// TestClaim_RecordOfOlderReleaseIsHandedOut claims records as earlier releases have written
// them: without a MAC, and without a digest.
func TestClaim_RecordOfOlderReleaseIsHandedOut(t *testing.T) {
	t.Parallel()
	older := map[string]func(state map[string]any){
		"without a MAC": func(state map[string]any) { delete(state, "mac") },
		"without a digest": func(state map[string]any) {
			delete(state, "mac")
			delete(state, "digest")
		},
		"with a MAC of another key": func(state map[string]any) { state["mac"] = "00000000.AAAA" },
	}
	eachWatched(t, func(w *watched) {
		for what, age := range older {
			for _, commandType := range []string{auto, review} {
				c := w.propose(commandType)
				w.dropStatement(c)
				w.editState(c.ID, age)
				if commandType == review {
					w.approve(c)
				}
				w.editState(c.ID, func(state map[string]any) {
					if approval, approved := state["approval"].(map[string]any); approved && what != "with a MAC of another key" {
						delete(approval, "mac")
					}
				})
				require.Equal(t, c.ID, w.claimOne().ID, what)
			}
		}
		require.Empty(t, w.violations())

		c := w.propose(auto)
		w.dropStatement(c)
		w.editState(c.ID, older["without a MAC"])
		setParameters(`{"host":"evil.example"}`)(w, c.ID)
		require.Empty(t, w.claim(), "the digest of an older record is compared")
		w.requireSetAside(c.ID, "digest")
	})
}

// TestRecordKey_OfOneInstanceIsKnownToOthers lets instances with several keys claim the commands
// of one another, as while the key is introduced or replaced.
func TestRecordKey_OfOneInstanceIsKnownToOthers(t *testing.T) {
	t.Parallel()
	s := storetest.Redis(t)
	key := func(key string, required bool) func(*queue.Config) {
		return func(c *queue.Config) { c.RecordKey, c.RecordKeyRequired = []byte(key), required }
	}
	none, first, second := newFixture(t, s), newFixture(t, s, key("first", false)), newFixture(t, s, key("second", false))
	strict := newFixture(t, s, key("second", true))
	for what, tt := range map[string]struct {
		by, claims *fixture
		handedOut  bool
	}{
		"the key is introduced":           {none, first, true},
		"an instance has no key yet":      {first, none, true},
		"the key is replaced":             {first, second, true},
		"an instance has the old key yet": {second, first, true},
		"the same key":                    {second, strict, true},
		"the key is required":             {none, strict, false},
		"the old key is not accepted":     {first, strict, false},
	} {
		by := tt.by.withDevice(tt.by.newDevice(tt.by.device.Tenant))
		c := by.propose(review)
		by.approve(c)
		leases, err := tt.claims.queue.Claim(t.Context(), by.claimRequest())
		require.NoError(t, err)
		require.Equal(t, tt.handedOut, len(leases) == 1, what)
	}
}

// TestRecord_DigestIsStored compares the digest in the record with the one that is computed from
// the parts of the command.
func TestRecord_DigestIsStored(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(review, func(p *queue.Proposal) { p.Parameters = json.RawMessage(`{"b":[1.0],"a":"<é>"}`) })
		want, err := queue.Digest(f.get(c.ID))
		require.NoError(t, err)
		require.Equal(t, want, f.state(c.ID)["digest"])
		require.NotEmpty(t, f.state(c.ID)["mac"])
	})
}
