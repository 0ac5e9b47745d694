package agent

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// storedIDs returns the IDs of the commands in the journal file at path.
func storedIDs(t testing.TB, path string) (ids []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	records, _, _ := parseLines(text)
	for _, r := range records {
		if r.Entry != nil {
			ids = append(ids, r.Entry.ID)
		}
	}
	return ids
}

// TestJournalFile_FailedRewriteLosesNothing makes one step of a rewrite fail, and then calls
// (*journal).begin. If begin succeeds, its record must be in the file that the next run reads.
func TestJournalFile_FailedRewriteLosesNothing(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(t *testing.T, j *journal) (repair func()){
		"the directory cannot be synced": func(_ *testing.T, j *journal) func() {
			j.file.syncDir = func(string) error { return errors.New("input/output error") }
			return func() { j.file.syncDir = syncDir }
		},
		"the new file cannot be created": func(t *testing.T, j *journal) func() {
			require.NoError(t, os.MkdirAll(j.file.path+".tmp/full", 0o700))
			return func() { require.NoError(t, os.RemoveAll(j.file.path+".tmp")) }
		},
		"the file cannot be opened again": func(_ *testing.T, j *journal) func() {
			j.file.close() // has the effect of too many open files in the process
			return func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := openTestJournal(t, newJournalPath(t))
			require.NoError(t, j.begin(testCommand(1), false, true))
			repair := fail(t, j)
			forceRewrite(j)
			for n := range 3 {
				if j.begin(testCommand(2+n), false, true) == nil {
					require.Contains(t, storedIDs(t, j.file.path), testCommand(2+n).ID, "an acknowledged record is lost")
				}
			}
			repair()
			require.NoError(t, j.begin(testCommand(9), false, true))
			require.NoError(t, j.health())
			require.Equal(t, j.list(), openTestJournal(t, j.file.path).list())
		})
	}
}

// TestJournalFile_UnsyncedDirectoryRefusesBegin creates a file whose directory entry cannot be
// synced. After a power loss the file could be missing, so begin must return an error.
func TestJournalFile_UnsyncedDirectoryRefusesBegin(t *testing.T) {
	t.Parallel()
	j := openTestJournal(t, newJournalPath(t))
	j.file.syncDir = func(string) error { return errors.New("input/output error") }
	require.Error(t, j.begin(testCommand(1), false, true))
	j.file.syncDir = syncDir
	require.NoError(t, j.begin(testCommand(1), false, true))
	require.NoError(t, j.health())
}

// TestJournalFile_NothingIsAppendedToTornLine makes a write stop in the middle of a line. The
// next record must start on a new line, because a record at the end of a torn line cannot be
// read.
func TestJournalFile_NothingIsAppendedToTornLine(t *testing.T) {
	t.Parallel()
	path := newJournalPath(t)
	j := openTestJournal(t, path)
	require.NoError(t, j.begin(testCommand(1), false, true))
	require.NoError(t, j.recordResult("cmd_1", succeeded("done")))
	undo := failWrites(t, j)
	require.Error(t, j.begin(testCommand(2), false, true))
	appendTo(t, path, `00000000 {"entry":{"id":"cmd_2","tok`)
	undo()
	j.file.file = openToAppend(t, path)
	j.markSubmitted("cmd_1", "token-1")
	require.NoError(t, j.health())
	next := openTestJournal(t, path)
	require.Equal(t, j.list(), next.list())
	require.False(t, next.file.damaged)
}

func openToAppend(t testing.TB, path string) *os.File {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_RDWR, 0o600)
	require.NoError(t, err)
	return file
}
