package store_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
)

// TestPartitionOf_NeverChanges compares partitions with fixed values. The partition of a
// tenant must not change, because every stored key and id contains it.
func TestPartitionOf_NeverChanges(t *testing.T) {
	t.Parallel()
	for tenant, want := range map[string]string{
		"":                                       "65",
		"c.acme":                                 "1a",
		"c.beta":                                 "56",
		"u.5f0a6e0e-3d3e-4a54-9a3c-5b1f3f0f9a10": "0b",
		"u.auth0~7c1234":                         "4g",
	} {
		require.Equal(t, want, store.PartitionOf(tenant).String(), "tenant %q", tenant)
	}
}

func TestPartition_StringIsTwoDigits(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for p := range store.Partitions {
		text := store.Partition(p).String()
		require.Regexp(t, `^[0-7][0-9a-hjkmnp-tv-z]$`, text)
		seen[text] = true
		id := store.NewID(store.KindDevice, store.Partition(p))
		read, ok := store.PartitionOfID(store.KindDevice, id)
		require.True(t, ok)
		require.Equal(t, store.Partition(p), read)
	}
	require.Len(t, seen, store.Partitions)
}

func TestPartitionOf_DistributesTenantsEvenly(t *testing.T) {
	t.Parallel()
	used := map[store.Partition]int{}
	for range 256 * 40 {
		used[store.PartitionOf(store.NewID("c", 0))]++
	}
	require.Len(t, used, store.Partitions)
	for p, n := range used {
		require.Less(t, n, 3*40, "tenants in partition %s", p)
	}
}

func TestNewID_IsUniqueAndFollowsContract(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile(`^cmd_[0-9a-z]{28}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := store.NewID(store.KindCommand, store.PartitionOf("c.acme"))
		require.Regexp(t, pattern, id)
		require.False(t, seen[id])
		seen[id] = true
	}
}

func TestPartitionOfID_RejectsTextThatIsNoID(t *testing.T) {
	t.Parallel()
	good := "dev_1a01jd4m8w3v000000000000000z"
	for name, id := range map[string]string{
		"empty":                     "",
		"prefix only":               "dev_",
		"no prefix":                 good[4:],
		"of another kind":           "ses_" + good[4:],
		"kind in upper case":        "DEV_" + good[4:],
		"one character short":       good[:len(good)-1],
		"one character long":        good + "0",
		"upper case":                "dev_" + strings.ToUpper(good[4:]),
		"partition beyond the last": "dev_80" + good[6:],
		"partition not base32":      "dev_!x" + good[6:],
		"letter that base32 lacks":  good[:len(good)-1] + "u",
		"colon":                     good[:20] + ":" + good[21:],
		"braces":                    good[:20] + "{}" + good[22:],
		"space":                     good[:20] + " " + good[21:],
		"newline at the end":        good[:len(good)-1] + "\n",
		"null byte":                 good[:20] + "\x00" + good[21:],
		"not ASCII":                 good[:20] + "é" + good[22:],
		"beyond the largest ULID":   "dev_1a8" + good[7:],
	} {
		_, ok := store.PartitionOfID(store.KindDevice, id)
		require.False(t, ok, name)
		require.False(t, store.IsID(store.KindDevice, id), name)
		require.False(t, store.OwnsID("c.acme", store.KindDevice, id), name)
	}
	p, ok := store.PartitionOfID(store.KindDevice, good)
	require.True(t, ok)
	require.Equal(t, store.PartitionOf("c.acme"), p)
}

func TestOwnsID_RejectsIDOfAnotherPartition(t *testing.T) {
	t.Parallel()
	id := store.NewID(store.KindSession, store.PartitionOf("c.acme"))
	require.True(t, store.OwnsID("c.acme", store.KindSession, id))
	require.False(t, store.OwnsID("c.beta", store.KindSession, id))
	require.False(t, store.OwnsID("c.acme", store.KindDevice, id))
}
