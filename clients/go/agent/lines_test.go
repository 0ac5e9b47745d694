package agent

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// written gives the ids of the commands in a journal's file.
func written(t testing.TB, path string) (ids []string) {
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

// What begin has acknowledged is in the file that the next life reads, whichever step of
// writing the file anew has failed before.
func TestAFileThatCouldNotBeWrittenAnewLosesNothing(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(t *testing.T, j *journal) (mend func()){
		"the directory cannot be synced": func(_ *testing.T, j *journal) func() {
			j.file.syncDir = func(string) error { return errors.New("input/output error") }
			return func() { j.file.syncDir = syncDir }
		},
		"no file can be made": func(t *testing.T, j *journal) func() {
			require.NoError(t, os.MkdirAll(j.file.path+".tmp/full", 0o700))
			return func() { require.NoError(t, os.RemoveAll(j.file.path+".tmp")) }
		},
		"the file is not to be opened": func(_ *testing.T, j *journal) func() {
			j.file.close() // as after too many open files
			return func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := reopen(t, newPath(t))
			require.NoError(t, j.begin(claimed(1), false))
			mend := fail(t, j)
			bloat(j)
			for n := range 3 {
				if j.begin(claimed(2+n), false) == nil {
					require.Contains(t, written(t, j.file.path), claimed(2+n).ID, "it was begun, and is lost")
				}
			}
			mend()
			require.NoError(t, j.begin(claimed(9), false))
			require.NoError(t, j.health())
			require.Equal(t, j.all(), reopen(t, j.file.path).all())
		})
	}
}

// A file whose directory was not synced may be gone after a loss of power, with all that was
// synced to it.
func TestNothingIsBegunInAFileThatMayVanish(t *testing.T) {
	t.Parallel()
	j := reopen(t, newPath(t))
	j.file.syncDir = func(string) error { return errors.New("input/output error") }
	_, err := j.claimKey()
	require.Error(t, err)
	require.Error(t, j.begin(claimed(1), false))
	j.file.syncDir = syncDir
	require.NoError(t, j.begin(claimed(1), false))
	require.NoError(t, j.health())
}

// What follows a line that was cut short would be one broken line with it.
func TestNothingIsWrittenBehindATornLine(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	j := reopen(t, path)
	require.NoError(t, j.begin(claimed(1), false))
	require.NoError(t, j.finish("cmd_1", outcome("done")))
	empty := fill(t, j)
	require.Error(t, j.begin(claimed(2), false))
	appendTo(t, path, `00000000 {"entry":{"id":"cmd_2","tok`)
	empty()
	j.file.file = openToAppend(t, path)
	j.settle("cmd_1", "token-1")
	require.NoError(t, j.health())
	next := reopen(t, path)
	require.Equal(t, j.all(), next.all())
	require.False(t, next.file.damaged)
}

func openToAppend(t testing.TB, path string) *os.File {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_RDWR, 0o600)
	require.NoError(t, err)
	return file
}
