package store_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// lua returns a file system with Lua files. The map texts maps the name of each file,
// without ".lua", to its content.
func lua(texts map[string]string) fstest.MapFS {
	files := fstest.MapFS{}
	for name, text := range texts {
		files[name+".lua"] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func TestInclude_EachFragmentOnceAndAfterItsOwnIncludes(t *testing.T) {
	t.Parallel()
	library := store.Library{"other": lua(map[string]string{
		"outer": "--@include inner\nn = n * 10\n",
		"inner": "--@include first\nn = n + 1\n",
		"first": "local n = 0\n",
	})}
	files := lua(map[string]string{
		"lua/script": "--@include other/inner\n--@include other/outer\n--@include beside\nreturn { 'ok', n }\n",
		"lua/beside": "--@include other/outer\nn = n + 5\n",
	})
	script := store.NewScript(files, "lua/script.lua", library)
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		reply, err := s.Run(t.Context(), script, []string{newKey()})
		require.NoError(t, err)
		require.EqualValues(t, 15, reply.Int(1))
	})
}

func TestInclude_MissingFileFailsAtOnce(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a fragment of the store": "--@include store/nothing\n",
		"a file beside":           "--@include nothing\n",
		"a library not given":     "--@include queue/command\n",
	} {
		require.Panics(t, func() { newScript(text + "return { 'ok' }") }, name)
	}
	require.Panics(t, func() { store.NewScript(fstest.MapFS{}, "lua/none.lua") })
}
