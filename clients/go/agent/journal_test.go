package agent

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// reopen opens the journal of a directory, as a new life of the agent does.
func reopen(t testing.TB, path string) *journal {
	t.Helper()
	j, err := openJournal(path, "here", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(j.close)
	return j
}

func newPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "device.json.journal")
}

func claimed(n int) Command {
	return Command{ID: fmt.Sprintf("cmd_%d", n), ClaimToken: fmt.Sprintf("token-%d", n), Type: "service.restart"}
}

func outcome(output string) fieldgate.ResultRequest {
	return fieldgate.ResultRequest{Status: fieldgate.ResultStatusSucceeded, Output: output}
}

func TestWhatIsInTheJournalOutlivesTheAgent(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	j := reopen(t, path)
	key, err := j.claimKey()
	require.NoError(t, err)
	require.NoError(t, j.begin(claimed(1), false))
	require.NoError(t, j.begin(claimed(2), true))
	require.NoError(t, j.begin(claimed(3), false))
	require.NoError(t, j.finish("cmd_2", outcome("done")))
	require.NoError(t, j.finish("cmd_3", outcome("done")))
	j.settle("cmd_3", "token-3")

	next := reopen(t, path)
	again, err := next.claimKey()
	require.NoError(t, err)
	require.Equal(t, j.key, again)
	require.NotEqual(t, key, again, "a claim that was answered is another claim")
	require.Equal(t, j.all(), next.all())
	waiting, found := next.unreported("cmd_2")
	require.True(t, found)
	require.Equal(t, "token-2", waiting.ClaimToken)
	for _, id := range []string{"cmd_1", "cmd_3", "cmd_4"} {
		_, found = next.unreported(id)
		require.False(t, found, id)
	}
}

func TestAClaimIsTheSameOneUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	key, err := reopen(t, path).claimKey()
	require.NoError(t, err)
	for range 3 {
		again, err := reopen(t, path).claimKey()
		require.NoError(t, err)
		require.Equal(t, key, again)
	}
}

// A copy of the state directory must not get the command that the original was given. The
// machine that has changed its name loses no more than a lease.
func TestACopyOfTheJournalOnAnotherMachineMakesAnotherClaim(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	key, err := reopen(t, path).claimKey()
	require.NoError(t, err)
	copied := newPath(t)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(copied, text, 0o600))
	elsewhere, err := openJournal(copied, "elsewhere", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(elsewhere.close)
	other, err := elsewhere.claimKey()
	require.NoError(t, err)
	require.NotEqual(t, key, other)
	again, err := reopen(t, path).claimKey()
	require.NoError(t, err)
	require.Equal(t, key, again)
	require.NotEmpty(t, machine())
}

// Power may go at any byte: what was finished before stays, and what comes after is whole.
func TestATornEndCostsOnlyWhatWasNotWritten(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	j := reopen(t, path)
	require.NoError(t, j.begin(claimed(1), false))
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, j.begin(claimed(2), false))
	more, err := os.ReadFile(path)
	require.NoError(t, err)
	for cut := len(whole); cut < len(more); cut++ {
		torn := newPath(t)
		require.NoError(t, os.WriteFile(torn, more[:cut], 0o600))
		after := reopen(t, torn)
		require.Len(t, after.all(), 1, "cut at %d", cut)
		require.NoError(t, after.begin(claimed(3), false))
		require.Len(t, reopen(t, torn).all(), 2, "cut at %d", cut)
		after.close()
	}
}

func TestABlockOfZerosAtTheEndIsATornEnd(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	require.NoError(t, reopen(t, path).begin(claimed(1), false))
	appendTo(t, path, strings.Repeat("\x00", 4096))
	j := reopen(t, path)
	require.Len(t, j.all(), 1)
	require.NoError(t, j.begin(claimed(2), false))
	require.Len(t, reopen(t, path).all(), 2)
	require.NoFileExists(t, path+".damaged")
}

func TestADamagedLineIsKeptForWhoLooksAndTheRestIsUsed(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	j := reopen(t, path)
	require.NoError(t, j.begin(claimed(1), false))
	require.NoError(t, j.begin(claimed(2), false))
	key := j.key
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	text[20] ^= 1
	require.NoError(t, os.WriteFile(path, text, 0o600))
	after := reopen(t, path)
	require.Len(t, after.all(), 1)
	require.NotEqual(t, key, after.key, "the gateway would repeat a claim of which nothing is known")
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

// fill makes the disk of a journal take nothing, until it is emptied: the file cannot be
// written, and no other can be put into its place.
func fill(t testing.TB, j *journal) (empty func()) {
	t.Helper()
	readOnly, err := os.Open(j.file.path)
	require.NoError(t, err)
	j.file.close()
	j.file.file = readOnly
	blocked := j.file.path + ".tmp"
	require.NoError(t, os.MkdirAll(filepath.Join(blocked, "full"), 0o700))
	return func() { require.NoError(t, os.RemoveAll(blocked)) }
}

func TestWhatCannotBeWrittenIsNotBegun(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	j := reopen(t, path)
	require.NoError(t, j.begin(claimed(1), false))
	empty := fill(t, j)
	require.Error(t, j.begin(claimed(2), false))
	require.Error(t, j.health())
	_, err := j.claimKey()
	require.Error(t, err, "nothing is claimed that could not be written down")
	require.Error(t, j.finish("cmd_1", outcome("done")))
	_, found := j.unreported("cmd_1")
	require.True(t, found, "an outcome is reported even if it cannot be written down")

	empty()
	_, err = j.claimKey()
	require.NoError(t, err)
	require.NoError(t, j.health())
	require.NoError(t, j.begin(claimed(3), false))
	next := reopen(t, path)
	require.Equal(t, j.all(), next.all())
	require.Len(t, next.all(), 2)
}

func TestTheJournalStaysSmall(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	j := reopen(t, path)
	for n := range 3000 {
		c := claimed(n)
		require.NoError(t, j.begin(c, false))
		require.NoError(t, j.finish(c.ID, outcome(strings.Repeat("x", 2000))))
		j.settle(c.ID, c.ClaimToken)
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(4<<20))
	next := reopen(t, path)
	require.LessOrEqual(t, len(next.all()), keepEntries+1)
	_, found, err := next.adopt(claimed(2999))
	require.NoError(t, err)
	require.True(t, found, "the newest are remembered")
	require.Equal(t, []string(nil), leftovers(t, path))
}

func leftovers(t testing.TB, path string) (names []string) {
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

func TestWhatWasNotReportedIsNeverForgotten(t *testing.T) {
	t.Parallel()
	j := reopen(t, newPath(t))
	for n := range keepEntries + 10 {
		require.NoError(t, j.begin(claimed(n), false))
		require.NoError(t, j.finish(claimed(n).ID, outcome("done")))
	}
	j.settle("cmd_5", "token-5")
	require.Len(t, j.all(), keepEntries+9)
	_, found := j.unreported("cmd_0")
	require.True(t, found)
}

func TestACommandThatComesAgainAnswersUnderTheNewestClaim(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	j := reopen(t, path)
	require.NoError(t, j.begin(claimed(1), false))
	require.NoError(t, j.finish("cmd_1", outcome("done")))
	j.settle("cmd_1", "token-1")
	anew := claimed(1)
	anew.ClaimToken = "token-9"
	_, found, err := j.adopt(anew)
	require.NoError(t, err)
	require.True(t, found)
	j.settle("cmd_1", "token-1") // an answer that was on its way is not about the new claim
	for _, j := range []*journal{j, reopen(t, path)} {
		waiting, found := j.unreported("cmd_1")
		require.True(t, found)
		require.Equal(t, "token-9", waiting.ClaimToken)
		require.Equal(t, "done", waiting.Output)
	}
}

func TestWhatIsForgottenMayBeBegunAgain(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	j := reopen(t, path)
	require.NoError(t, j.begin(claimed(1), true))
	require.NoError(t, j.forget("cmd_1"))
	require.Empty(t, reopen(t, path).all())
	_, found, err := j.adopt(claimed(1))
	require.NoError(t, err)
	require.False(t, found)
}

// bloat has the next change of a journal write its file anew.
func bloat(j *journal) { j.file.size += 3 * wasteBytes }

func TestTheChangeThatHasTheFileWrittenAnewIsInIt(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	j := reopen(t, path)
	for name, change := range map[string]func() error{
		"claiming": func() error { j.renewKey(); _, err := j.claimKey(); return err },
		"begin":    func() error { return j.begin(claimed(1), false) },
		"finish":   func() error { _ = j.begin(claimed(2), true); bloat(j); return j.finish("cmd_2", outcome("done")) },
		"adopt":    func() error { _ = j.begin(claimed(3), false); bloat(j); _, _, err := j.adopt(claimed(3)); return err },
		"forget":   func() error { _ = j.begin(claimed(4), true); bloat(j); return j.forget("cmd_4") },
	} {
		bloat(j)
		require.NoError(t, change(), name)
		require.Less(t, j.file.size, int64(wasteBytes), name)
		next := reopen(t, path)
		require.Equal(t, j.all(), next.all(), name)
		require.Equal(t, j.key, next.key, name)
	}
}

// A handler that does not return outlives Run, and must not write over the next one's file.
func TestAJournalThatIsClosedLeavesTheFileAlone(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	j := reopen(t, path)
	require.NoError(t, j.begin(claimed(1), false))
	j.close()
	next := reopen(t, path)
	require.NoError(t, next.begin(claimed(2), false))
	for range 2 { // the second finds the journal broken
		require.Error(t, j.finish("cmd_1", outcome("too late")))
	}
	require.Equal(t, next.all(), reopen(t, path).all())
}
