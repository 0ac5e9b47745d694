package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Dump returns the serialized value of every key of a server. Two dumps are equal if nothing was
// written in between.
func Dump(t testing.TB, s *Server) map[string]string {
	t.Helper()
	client, dump := s.Client(t), map[string]string{}
	keys := client.Scan(t.Context(), 0, "*", 1000).Iterator()
	for keys.Next(t.Context()) {
		value, err := client.Dump(t.Context(), keys.Val()).Result()
		require.NoError(t, err)
		dump[keys.Val()] = value
	}
	require.NoError(t, keys.Err())
	return dump
}
