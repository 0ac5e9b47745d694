package agent

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// unlocked locks nothing, so that a test can open a journal twice.
func unlocked(*os.File) error { return nil }

// openTestJournal opens the journal at path, as a new run of the agent does.
func openTestJournal(t testing.TB, path string) *journal {
	t.Helper()
	j, err := openJournal(path, "machine-1", unlocked, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(j.close)
	return j
}

// newJournalPath returns the path of a journal that does not exist yet.
func newJournalPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "device.json.journal")
}

// testCommand returns the claimed command cmd_n.
func testCommand(n int) Command {
	return Command{ID: fmt.Sprintf("cmd_%d", n), ClaimToken: fmt.Sprintf("token-%d", n), Type: "service.restart"}
}

// succeeded returns a result with the given output.
func succeeded(output string) fieldgate.ResultRequest {
	return fieldgate.ResultRequest{Status: fieldgate.ResultStatusSucceeded, Output: output}
}

func TestJournal_EntriesSurviveRestart(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	j := openTestJournal(t, path)
	key, err := j.claimKey()
	require.NoError(t, err)
	require.NoError(t, j.begin(testCommand(1), false, true))
	require.NoError(t, j.begin(testCommand(2), true, true))
	require.NoError(t, j.begin(testCommand(3), false, true))
	require.NoError(t, j.recordResult("cmd_2", succeeded("done")))
	require.NoError(t, j.recordResult("cmd_3", succeeded("done")))
	j.markSubmitted("cmd_3", "token-3")

	next := openTestJournal(t, path)
	again, err := next.claimKey()
	require.NoError(t, err)
	require.Equal(t, j.key, again)
	require.NotEqual(t, key, again, "begin did not replace the claim key")
	require.Equal(t, j.list(), next.list())
	result, found := next.unsubmitted("cmd_2")
	require.True(t, found)
	require.Equal(t, "token-2", result.ClaimToken)
	for _, id := range []string{"cmd_1", "cmd_3", "cmd_4"} {
		_, found = next.unsubmitted(id)
		require.False(t, found, id)
	}
}

func TestJournal_ClaimKeyStaysUntilCommandBegins(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	key, err := openTestJournal(t, path).claimKey()
	require.NoError(t, err)
	for range 3 {
		again, err := openTestJournal(t, path).claimKey()
		require.NoError(t, err)
		require.Equal(t, key, again)
	}
}

// TestJournal_CopyOnAnotherMachineGetsNewClaimKey checks that an agent with a copied state
// directory does not claim with the key of the original machine. Otherwise it would receive the
// commands of that machine. A renamed machine also gets a new key, which delays the commands of
// an interrupted claim by at most one lease.
func TestJournal_CopyOnAnotherMachineGetsNewClaimKey(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	key, err := openTestJournal(t, path).claimKey()
	require.NoError(t, err)
	copied := newJournalPath(t)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(copied, text, 0o600))
	other, err := openJournal(copied, "machine-2", unlocked, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(other.close)
	otherKey, err := other.claimKey()
	require.NoError(t, err)
	require.NotEqual(t, key, otherKey)
	again, err := openTestJournal(t, path).claimKey()
	require.NoError(t, err)
	require.Equal(t, key, again)
	require.NotEmpty(t, thisMachine().id())
}

// TestJournal_TornRecordLosesOnlyItself truncates the file at each byte of the last record, as
// a power loss may do.
func TestJournal_TornRecordLosesOnlyItself(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	j := openTestJournal(t, path)
	require.NoError(t, j.begin(testCommand(1), false, true))
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, j.begin(testCommand(2), false, true))
	more, err := os.ReadFile(path)
	require.NoError(t, err)
	for cut := len(whole); cut < len(more); cut++ {
		torn := newJournalPath(t)
		require.NoError(t, os.WriteFile(torn, more[:cut], 0o600))
		after := openTestJournal(t, torn)
		require.Len(t, after.list(), 1, "cut at %d", cut)
		require.NoError(t, after.begin(testCommand(3), false, true))
		require.Len(t, openTestJournal(t, torn).list(), 2, "cut at %d", cut)
		after.close()
	}
}

// TestJournal_TruncatedAnywhereHasAnEarlierState truncates a whole journal at each byte, as a damaged file system
// may do. What is left must be a state that the journal had, never another one.
func TestJournal_TruncatedAnywhereHasAnEarlierState(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	j := openTestJournal(t, path)
	asJSON := func(j *journal) string {
		text, err := json.Marshal(j.list())
		require.NoError(t, err)
		return string(text)
	}
	states := map[int]string{0: "null"} // by the size of the file
	for _, step := range []func() error{
		func() error { return j.begin(testCommand(1), false, true) },
		func() error { return j.begin(testCommand(2), true, true) },
		func() error { return j.recordResult("cmd_1", succeeded("done")) },
		func() error { j.markSubmitted("cmd_1", "token-1"); return nil },
		func() error { return j.beginRerun("cmd_2") },
		func() error { return j.remove("cmd_2") },
		func() error { return j.begin(testCommand(3), false, false) },
	} {
		require.NoError(t, step())
		states[int(j.file.size)] = asJSON(j)
	}
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	last, truncated := 0, newJournalPath(t)
	for cut := range len(whole) + 1 {
		if _, found := states[cut]; found {
			last = cut
		}
		require.NoError(t, os.WriteFile(truncated, whole[:cut], 0o600))
		after := openTestJournal(t, truncated)
		require.Equal(t, states[last], asJSON(after), "cut at %d", cut)
		require.False(t, after.file.damaged)
		after.close()
	}
}

// TestJournal_OverwrittenFileIsWrittenAgain overwrites the file of a running agent in place, such as with a
// backup. After the next record the file must have all that the agent knows.
func TestJournal_OverwrittenFileIsWrittenAgain(t *testing.T) {
	t.Parallel()
	for name, overwrite := range map[string]func(path string, backup []byte) error{
		"emptied":  func(path string, _ []byte) error { return os.Truncate(path, 0) },
		"backup":   func(path string, backup []byte) error { return os.WriteFile(path, backup, 0o600) },
		"appended": func(path string, _ []byte) error { return os.WriteFile(path, []byte(strings.Repeat("x", 5000)), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newJournalPath(t)
			j := openTestJournal(t, path)
			require.NoError(t, j.begin(testCommand(1), false, true))
			backup, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, j.recordResult("cmd_1", succeeded("done")))
			require.NoError(t, overwrite(path, backup))
			require.NoError(t, j.begin(testCommand(2), false, true))
			require.NoError(t, j.health())
			next := openTestJournal(t, path)
			require.Equal(t, j.list(), next.list())
			require.Equal(t, j.key, next.key)
		})
	}
}

func TestJournal_TrailingZerosAreTruncated(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	require.NoError(t, openTestJournal(t, path).begin(testCommand(1), false, true))
	appendTo(t, path, strings.Repeat("\x00", 4096))
	j := openTestJournal(t, path)
	require.Len(t, j.list(), 1)
	require.NoError(t, j.begin(testCommand(2), false, true))
	require.Len(t, openTestJournal(t, path).list(), 2)
	require.NoFileExists(t, path+".damaged")
}

func TestJournal_DamagedLineIsSkippedAndFileIsCopied(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	j := openTestJournal(t, path)
	require.NoError(t, j.begin(testCommand(1), false, true))
	require.NoError(t, j.begin(testCommand(2), false, true))
	key := j.key
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	text[20] ^= 1
	require.NoError(t, os.WriteFile(path, text, 0o600))
	after := openTestJournal(t, path)
	require.Len(t, after.list(), 1)
	require.NotEqual(t, key, after.key, "the gateway would repeat a claim whose record is lost")
	kept, err := os.ReadFile(path + ".damaged")
	require.NoError(t, err)
	require.Equal(t, text, kept)
}

func appendTo(t testing.TB, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = file.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

// failWrites makes all writes of the journal fail as on a full disk, until undo is called. The
// file is made read-only, and no temporary file can be created to replace it.
func failWrites(t testing.TB, j *journal) (undo func()) {
	t.Helper()
	readOnly, err := os.Open(j.file.path)
	require.NoError(t, err)
	j.file.close()
	j.file.file = readOnly
	blocked := j.file.path + ".tmp"
	require.NoError(t, os.MkdirAll(filepath.Join(blocked, "not-empty"), 0o700))
	return func() { require.NoError(t, os.RemoveAll(blocked)) }
}

func TestJournal_FullDiskRefusesBegin(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	j := openTestJournal(t, path)
	require.NoError(t, j.begin(testCommand(1), false, true))
	undo := failWrites(t, j)
	require.Error(t, j.begin(testCommand(2), false, true))
	require.Error(t, j.health())
	_, err := j.claimKey()
	require.NoError(t, err, "a device with a full disk cannot be diagnosed")
	require.Error(t, j.recordResult("cmd_1", succeeded("done")))
	_, found := j.unsubmitted("cmd_1")
	require.True(t, found, "the result that could not be written is lost")

	undo()
	_, err = j.claimKey()
	require.NoError(t, err)
	require.NoError(t, j.health())
	require.NoError(t, j.begin(testCommand(3), false, true))
	next := openTestJournal(t, path)
	require.Equal(t, j.list(), next.list())
	require.Len(t, next.list(), 2)
}

func TestJournal_SizeIsBounded(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	j := openTestJournal(t, path)
	for n := range 3000 {
		c := testCommand(n)
		require.NoError(t, j.begin(c, false, true))
		require.NoError(t, j.recordResult(c.ID, succeeded(strings.Repeat("x", 2000))))
		j.markSubmitted(c.ID, c.ClaimToken)
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(4<<20))
	next := openTestJournal(t, path)
	require.LessOrEqual(t, len(next.list()), maxEntries+1)
	_, found, err := next.reclaim(testCommand(2999), true)
	require.NoError(t, err)
	require.True(t, found, "the newest entry was pruned")
	require.Equal(t, []string{filepath.Base(path) + ".reserve"}, otherFiles(t, path))
}

// otherFiles returns the names of the other files in the directory of path.
func otherFiles(t testing.TB, path string) (names []string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	for _, file := range files {
		if file.Name() != filepath.Base(path) {
			names = append(names, file.Name())
		}
	}
	return names
}

func TestJournal_UnsubmittedResultsAreNotPruned(t *testing.T) {
	t.Parallel()
	j := openTestJournal(t, newJournalPath(t))
	for n := range maxEntries + 10 {
		require.NoError(t, j.begin(testCommand(n), false, true))
		require.NoError(t, j.recordResult(testCommand(n).ID, succeeded("done")))
	}
	j.markSubmitted("cmd_5", "token-5")
	require.Len(t, j.list(), maxEntries+9)
	_, found := j.unsubmitted("cmd_0")
	require.True(t, found)
}

func TestJournal_ReclaimedCommandIsSubmittedUnderNewestClaim(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	j := openTestJournal(t, path)
	require.NoError(t, j.begin(testCommand(1), false, true))
	require.NoError(t, j.recordResult("cmd_1", succeeded("done")))
	j.markSubmitted("cmd_1", "token-1")
	reclaimed := testCommand(1)
	reclaimed.ClaimToken = "token-9"
	_, found, err := j.reclaim(reclaimed, true)
	require.NoError(t, err)
	require.True(t, found)
	j.markSubmitted("cmd_1", "token-1") // a late response to the submission under the first claim
	for _, j := range []*journal{j, openTestJournal(t, path)} {
		result, found := j.unsubmitted("cmd_1")
		require.True(t, found)
		require.Equal(t, "token-9", result.ClaimToken)
		require.Equal(t, "done", result.Output)
	}
}

// TestJournal_OutdatedClaimIsIgnored reclaims a command with the late response to an earlier claim.
func TestJournal_OutdatedClaimIsIgnored(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	j := openTestJournal(t, path)
	claim := func(token string, attempt, second int) Command {
		return Command{ID: "cmd_1", ClaimToken: token, Attempt: attempt, ClaimedAt: time.Unix(int64(second), 0)}
	}
	require.NoError(t, j.begin(claim("second", 2, 20), false, true))
	require.NoError(t, j.recordResult("cmd_1", succeeded("done")))
	j.markSubmitted("cmd_1", "second")
	for _, c := range []struct {
		command Command
		token   string
	}{
		{claim("first", 1, 10), "second"},
		{claim("second", 2, 20), "second"},
		{claim("gateway that lost writes", 1, 30), "gateway that lost writes"},
		{claim("clock was set back", 2, 25), "clock was set back"},
	} {
		key := j.key
		_, found, err := j.reclaim(c.command, true)
		require.NoError(t, err)
		require.True(t, found)
		require.NotEqual(t, key, j.key, "the gateway would return the command forever")
		require.Equal(t, c.token, openTestJournal(t, path).token("cmd_1"))
		_, pending := j.unsubmitted("cmd_1")
		require.Equal(t, c.token != "second", pending)
	}
}

func TestJournal_RemovedCommandMayBeginAgain(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	j := openTestJournal(t, path)
	require.NoError(t, j.begin(testCommand(1), true, true))
	require.NoError(t, j.remove("cmd_1"))
	require.Empty(t, openTestJournal(t, path).list())
	_, found, err := j.reclaim(testCommand(1), true)
	require.NoError(t, err)
	require.False(t, found)
}

// TestJournal_MissingReserveIsNotRepairedByRewriting covers a disk without space for the reserve. The
// journal is healthy and is not written, and the reserve is tried again after a pause.
func TestJournal_MissingReserveIsNotRepairedByRewriting(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	blocked := path + ".reserve"
	require.NoError(t, os.MkdirAll(filepath.Join(blocked, "not-empty"), 0o700))
	j := openTestJournal(t, path)
	require.NoError(t, j.begin(testCommand(1), false, true))
	before, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, j.repair())
	require.NoError(t, j.health())
	after, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "the journal was rewritten")

	require.NoError(t, os.RemoveAll(blocked))
	require.NoError(t, j.repair())
	require.NoFileExists(t, blocked, "there was no pause")
	j.reserve.retryAt = time.Now()
	require.NoError(t, j.repair())
	require.FileExists(t, blocked)
}

// forceRewrite makes the journal rewrite its file at the next change.
func forceRewrite(j *journal) { j.file.size += 3 * compactAfter }

func TestJournal_RewriteContainsChangeThatTriggeredIt(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	j := openTestJournal(t, path)
	for name, change := range map[string]func() error{
		"claimKey": func() error { j.renewKey(); _, err := j.claimKey(); return err },
		"begin":    func() error { return j.begin(testCommand(1), false, true) },
		"recordResult": func() error {
			_ = j.begin(testCommand(2), true, true)
			forceRewrite(j)
			return j.recordResult("cmd_2", succeeded("done"))
		},
		"reclaim": func() error {
			_ = j.begin(testCommand(3), false, true)
			forceRewrite(j)
			_, _, err := j.reclaim(testCommand(3), true)
			return err
		},
		"remove": func() error { _ = j.begin(testCommand(4), true, true); forceRewrite(j); return j.remove("cmd_4") },
	} {
		forceRewrite(j)
		require.NoError(t, change(), name)
		require.Less(t, j.file.size, int64(compactAfter), name)
		next := openTestJournal(t, path)
		require.Equal(t, j.list(), next.list(), name)
		require.Equal(t, j.key, next.key, name)
	}
}

// TestJournal_ClosedJournalDoesNotWrite covers a handler that still runs after Run has
// returned. Its result must not be written to the file, which the next run may use.
func TestJournal_ClosedJournalDoesNotWrite(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	j := openTestJournal(t, path)
	require.NoError(t, j.begin(testCommand(1), false, true))
	j.close()
	next := openTestJournal(t, path)
	require.NoError(t, next.begin(testCommand(2), false, true))
	for range 2 { // the second call follows a failed write
		require.Error(t, j.recordResult("cmd_1", succeeded("too late")))
	}
	require.Equal(t, next.list(), openTestJournal(t, path).list())
}
