package program

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestContainerLimit(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		files map[string]string
		want  int64 // zero for none
	}{
		"no cgroups": {nil, 0},
		"version 2, in a namespace": {map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n",
		}, 1 << 30},
		"version 2, without a limit": {map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n",
		}, 0},
		"version 2, the least limit of all parents": {map[string]string{
			"proc/self/cgroup":                           "0::/a.slice/b.service\n",
			"sys/fs/cgroup/a.slice/b.service/memory.max": "2000\n", "sys/fs/cgroup/a.slice/memory.max": "1000\n",
		}, 1000},
		"version 1, as the host names it": {map[string]string{
			"proc/self/cgroup": "5:cpu:/docker/1\n4:memory:/docker/1\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000\n",
		}, 1000},
		"version 1, without a limit": {map[string]string{
			"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0},
		"unreadable": {map[string]string{
			"proc/self/cgroup": "nonsense\n0::../../..\n", "sys/fs/cgroup/memory.max": "much\n",
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := fstest.MapFS{}
			for file, text := range c.files {
				root[file] = &fstest.MapFile{Data: []byte(text)}
			}
			limit, found := containerLimit(root)
			require.Equal(t, c.want != 0, found)
			if found {
				require.Equal(t, c.want, limit)
			}
		})
	}
}
