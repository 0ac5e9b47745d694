package store

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

// reply is an error reply of a server.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

func TestClassify_ErrorReplies(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"ERR unknown command 'NOSUCH'",
		"ERR value is not an integer or out of range",
		"ERR user_script:3: Script attempted to access nonexistent global variable",
		"WRONGTYPE Operation against a key holding the wrong kind of value",
		"CROSSSLOT Keys in request don't hash to the same slot",
		"NOPERM this user has no permissions to run the 'lrange' command",
	} {
		err := classify(t.Context(), "claim", fmt.Errorf("sending: %w", reply(text)))
		require.Equal(t, fieldgate.CodeInternal, fieldgate.CodeOf(err), text)
		require.ErrorContains(t, err, "running claim in the store")
	}
	for _, text := range []string{
		"LOADING Redis is loading the dataset in memory",
		"READONLY You can't write against a read only replica.",
		"MISCONF Errors writing to the AOF file: No space left on device",
		"NOREPLICAS Not enough good replicas to write.",
		"MASTERDOWN Link with MASTER is down",
		"CLUSTERDOWN The cluster is down",
		"TRYAGAIN Multiple keys request during rehashing of slot",
		"MOVED 3999 127.0.0.1:6381",
		"ASK 3999 127.0.0.1:6381",
		"BUSY Redis is busy running a script.",
		"NOAUTH Authentication required.",
		"ERR max number of clients reached",
	} {
		err := classify(t.Context(), "claim", fmt.Errorf("sending: %w", reply(text)))
		require.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(err), text)
		require.ErrorIs(t, err, reply(text), "the log contains the cause")
	}
}

// TestIsTransient_WithoutRight keeps the sweeper from setting records aside, and a verification from
// reporting them, because the user of Redis lacks a right.
func TestIsTransient_WithoutRight(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"NOPERM this user has no permissions to run the 'hget' command":                                                     true,
		"ERR The user executing the script can't run this command or subcommand script: bbf21b, on @user_script:2.":         true,
		"ERR ACL failure in script: User g has no permissions to run the 'hget' command script: fd1f62, on @user_script:1.": true,
		"ERR Unknown Redis command called from script script: 8c490c, on @user_script:2.":                                   false,
		"WRONGTYPE Operation": false,
	} {
		require.Equal(t, want, IsTransient(t.Context(), classify(t.Context(), "settle", reply(text))), text)
	}
}

func TestClassify_BrokenConnectionIsOutageAndCancelledCallerIsNot(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range []error{errors.New("EOF"), context.DeadlineExceeded, redis.ErrPoolTimeout, redis.ErrClosed} {
		require.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(classify(t.Context(), "claim", err)))
		require.Equal(t, context.Canceled, classify(cancelled, "claim", err))
	}
	require.NoError(t, classify(cancelled, "claim", nil))
	require.Equal(t, ErrCursor, classify(cancelled, "list", ErrCursor))
	require.Equal(t, redis.Nil, classify(cancelled, "claim", redis.Nil))
}

func TestCheckInfo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ version, policy, mode, kind, want string }{
		{"7.0.15", "noeviction", "standalone", "", ""},
		{"8.2.1", "", "standalone", sentinel, ""},
		{"10.0.0", "noeviction", cluster, cluster, ""},
		{"6.2.14", "noeviction", "standalone", "", "the server is Redis 6.2.14: the gateway needs Redis 7 or later"},
		{"", "noeviction", "standalone", "", "needs Redis 7 or later"},
		{"7.2.4", "allkeys-lfu", "standalone", "", "allkeys-lfu"},
		{"7.2.4", "noeviction", cluster, "", "redis+cluster://"},
		{"7.2.4", "noeviction", cluster, sentinel, "redis+cluster://"},
		{"7.2.4", "noeviction", sentinel, "", "redis+sentinel://"},
	} {
		info := map[string]string{
			"redis_version": c.version, "maxmemory_policy": c.policy, "redis_mode": c.mode,
		}
		err := cmp.Or(checkInfo(info, c.kind), checkEviction(info))
		if c.want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, c.want)
	}
}

// TestCheckInfo_Valkey uses what Valkey 8.0.1 reports.
func TestCheckInfo_Valkey(t *testing.T) {
	t.Parallel()
	info := map[string]string{
		"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.0.1", "server_mode": "standalone", "cluster_enabled": "0",
	}
	require.NoError(t, checkInfo(info, ""))
	require.Equal(t, "Valkey 8.0.1", versionOf(info))
	require.Equal(t, "standalone", modeOf(info))

	info["server_mode"], info["cluster_enabled"] = cluster, "1"
	require.ErrorContains(t, checkInfo(info, ""), "redis+cluster://")
	require.NoError(t, checkInfo(info, cluster))

	info["server_mode"], info["cluster_enabled"] = sentinel, ""
	require.ErrorContains(t, checkInfo(info, ""), "redis+sentinel://")
}

func TestIsUnreachable(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, &net.DNSError{IsNotFound: true}, io.EOF, context.DeadlineExceeded,
		reply("LOADING Redis is loading the dataset in memory"), reply("READONLY You can't write"), reply("ERR max number of clients reached"),
	} {
		require.True(t, IsUnreachable(fmt.Errorf("reaching Redis: %w", classify(t.Context(), "ping", err))), "%v", err)
	}
	for _, err := range []error{
		nil, errURL, reply("WRONGPASS invalid username-password pair"), reply("NOAUTH Authentication required."), reply("NOPERM no permissions"),
		&net.OpError{Op: "dial", Err: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}}, tls.RecordHeaderError{},
	} {
		require.False(t, IsUnreachable(fmt.Errorf("reaching Redis: %w", classify(t.Context(), "ping", err))), "%v", err)
	}
}
